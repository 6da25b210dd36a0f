//! `memorize data`: looking at data files, converting them, drawing samples of them.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Subcommand, ValueHint};
use memorize_data::ElementType;
use memorize_data::format::Format;

use crate::say;

/// `memorize data`
#[derive(Args, Debug)]
#[command(after_help = DATA_EXAMPLES)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DataCommand,
}

const DATA_EXAMPLES: &str = "\
A table is an IDX or .npy file, or gzip of either: n rows of d numbers. Where a table is asked for,
`mnist` stands for MNIST's training images, which come with the program.

Examples:
  memorize data info mnist
  memorize data convert X.npy X.idx --type u8
  memorize data sample mnist --out digits.png";

/// What can be done with data files.
#[derive(Subcommand, Debug)]
pub enum DataCommand {
    /// Say what is in files: shape, type, range, repeated rows; the tensors of weights
    Info(InfoArgs),
    /// Write a table in another format or type of numbers
    Convert(ConvertArgs),
    /// Draw rows at random, into a table or a picture
    Sample(SampleArgs),
}

/// `memorize data info`
#[derive(Args, Debug)]
#[command(after_help = INFO_EXAMPLES)]
pub struct InfoArgs {
    /// IDX, .npy, gzip of either, or weights (safetensors); `mnist` for the four files of MNIST
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub sources: Vec<Source>,
    /// Print a JSON array with one object a file
    #[arg(long)]
    pub json: bool,
}

const INFO_EXAMPLES: &str = "\
Every number is looked at: for NaN and infinities, for rows that are nothing but 0 (they cannot be
normalised) and for rows that repeat (then the samples are not in general position).

Examples:
  memorize data info mnist
  memorize data info X.npy y.npy
  memorize data info runs/synthetic/checkpoint.safetensors --json";

/// `memorize data convert`
#[derive(Args, Debug)]
#[command(after_help = CONVERT_EXAMPLES)]
pub struct ConvertArgs {
    /// The table to read
    #[arg(value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub source: Source,
    /// The file to write: .npy, or .idx or -ubyte for IDX
    #[arg(value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// How the file is written.
    #[command(flatten)]
    pub written: WrittenArgs,
}

const CONVERT_EXAMPLES: &str = "\
Numbers become what they are in the type that is asked for; one that does not exist there (0.5 or
300 as u8) is an error, and nothing is written. Floats are rounded to the nearest f32. Rows are
read and written one at a time, so that tables larger than memory are no trouble.

Examples:
  memorize data convert mnist X.npy
  memorize data convert X.npy X.idx --type u8
  memorize data convert features.npy features-f32.npy --type f32";

/// `memorize data sample`
#[derive(Args, Debug)]
#[command(after_help = SAMPLE_EXAMPLES)]
pub struct SampleArgs {
    /// The table to draw from; `mnist`, or `synthetic` for the set of the paper's figure 2
    #[arg(value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub source: Source,
    /// Rows to draw [default: 100 for a picture, else all of them]
    #[arg(long, short = 'n', value_name = "N")]
    pub rows: Option<usize>,
    /// Put each row back before the next is drawn: rows may repeat, and there may be more of them than the table has
    #[arg(long)]
    pub resample: bool,
    /// Seed of the draw, or of the synthetic set
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64)
    )]
    pub seed: u64,
    /// Width of the synthetic set [default: 100]
    #[arg(long, value_name = "D")]
    pub dim: Option<usize>,
    /// The file to write: .npy, .idx or -ubyte for IDX, .png for a picture of the rows as images
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// The table's targets, one number a row [default: those of mnist and synthetic]
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath, requires = "targets_out")]
    pub targets: Option<PathBuf>,
    /// Write the targets of the rows that were drawn
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub targets_out: Option<PathBuf>,
    /// How the files are written.
    #[command(flatten)]
    pub written: WrittenArgs,
}

const SAMPLE_EXAMPLES: &str = "\
Which rows are drawn depends on the seed alone. The synthetic set is not drawn from: its first
rows are written, those that `memorize train --data synthetic` sees. Rows are images if the table
has three dimensions, or if their length is a square.

Examples:
  memorize data sample mnist --out digits.png
  memorize data sample mnist --rows 1000 --out images.npy --targets-out labels.npy
  memorize data sample mnist --rows 1000000 --resample --out big.idx --targets-out big-labels.idx
  memorize data sample synthetic --rows 500 --dim 40 --out X.npy --targets-out y.npy";

/// How a table is written.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Output")]
pub struct WrittenArgs {
    /// Format of the file [default: by its name]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub format: Option<Format>,
    /// Type of the numbers: bool, u8 to u64, i8 to i64, f16, f32 or f64 [default: that of the table]
    #[arg(long = "type", value_name = "TYPE", value_parser = element)]
    pub element: Option<ElementType>,
    /// Replace a file that is there
    #[arg(long)]
    pub overwrite: bool,
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "idx" => Ok(Format::Idx),
        "npy" => Ok(Format::Npy),
        _ => Err("write idx or npy".to_owned()),
    }
}

fn element(text: &str) -> Result<ElementType, String> {
    let found = ElementType::ALL.into_iter().find(|element| element.name() == text);
    found.ok_or_else(|| format!("write one of {}", ElementType::ALL.map(ElementType::name).join(", ")))
}

/// The name of [`Source::Mnist`].
pub const MNIST: &str = "mnist";
/// The name of [`Source::Synthetic`].
pub const SYNTHETIC: &str = "synthetic";

/// Source of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The files of MNIST.
    Mnist,
    /// The synthetic set of the paper's figure 2.
    Synthetic,
    /// A file.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = Infallible;

    /// A file that has one of the names can be written with its folder: `./mnist`.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let set = match text {
            MNIST => Self::Mnist,
            SYNTHETIC => Self::Synthetic,
            path => return Ok(Self::File(path.into())),
        };
        if Path::new(text).exists() {
            say::tell(&format!("note: `{text}` stands for a set of the program; the file of that name is ./{text}"));
        }
        Ok(set)
    }
}
