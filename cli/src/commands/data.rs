//! `memorize data`: data files as such.

use memorize_data::Shown;
use memorize_run::error::Error;
use memorize_run::threads::Threads;
use memorize_run::units::thousands;
use serde::Serialize;

use crate::args::{ConvertArgs, DataArgs, DataCommand, InfoArgs};
use crate::say::{self, print, print_exact};
use crate::tables::{self, FileInfo, tell};

/// Looks at data files, converts them, or draws samples of them.
///
/// # Errors
/// Bad input if a file or a flag cannot be used, a failed run if a file cannot be written.
pub fn data(arguments: &DataArgs) -> Result<(), Error> {
    let (threads, note) = Threads::start(None);
    note.iter().for_each(|note| tell(note));
    threads.install(|| match &arguments.command {
        DataCommand::Info(arguments) => info(arguments),
        DataCommand::Convert(arguments) => convert(arguments),
        DataCommand::Sample(arguments) => print(&tables::draw(arguments)?),
    })
}

fn info(arguments: &InfoArgs) -> Result<(), Error> {
    let files: Vec<Vec<FileInfo>> = arguments.sources.iter().map(FileInfo::of).collect::<Result<_, _>>()?;
    let files: Vec<FileInfo> = files.into_iter().flatten().collect();
    if arguments.json {
        #[derive(Serialize)]
        struct Files {
            files: Vec<FileInfo>,
        }
        return print_exact(&say::json("data info", None, &Files { files }));
    }
    print(&tables::text(&files))
}

fn convert(arguments: &ConvertArgs) -> Result<(), Error> {
    let (table, _) = arguments.source.open()?;
    table.notes().iter().for_each(|note| tell(note));
    tables::convert(&table, &arguments.out, arguments.written)?;
    print(&format!("{}: {} x {}\n", arguments.out.shown(), thousands(table.rows() as u64), table.row_len()))
}
