//! What is in a file: a table's numbers, or the tensors of weights.

use std::collections::BTreeMap;
use std::path::Path;

use memorize_analysis::text::{Align, table};
use memorize_data::Shown;
use memorize_data::source::Form;
use memorize_data::{Mnist, Statistics, Table};
use memorize_run::error::Error;
use memorize_run::run::opened;
use memorize_run::units::{mebibytes, number, thousands};
use memorize_train::checkpoint;
use safetensors::SafeTensors;
use serde::Serialize;

use super::{open, tell};
use crate::args::Source;

/// What `memorize data info` says of a file.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum FileInfo {
    /// A table.
    Table(Box<TableInfo>),
    /// Weights, or the state of a run.
    Tensors(TensorsInfo),
}

/// What is in a table.
#[derive(Debug, Serialize)]
pub struct TableInfo {
    file: String,
    format: String,
    compressed: bool,
    #[serde(rename = "type")]
    element: &'static str,
    dims: Vec<usize>,
    rows: usize,
    row_len: usize,
    /// Of the numbers, as they lie in the file once it is expanded.
    bytes: u64,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    standard_deviation: Option<f64>,
    zeros: u64,
    not_finite: u64,
    zero_rows: u64,
    repeated_rows: Option<u64>,
    values: Option<Vec<(f64, u64)>>,
    /// Of the file, once it is expanded.
    sha256: String,
}

/// What is in a safetensors file.
#[derive(Debug, Serialize)]
pub struct TensorsInfo {
    file: String,
    format: &'static str,
    tensors: Vec<TensorInfo>,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct TensorInfo {
    name: String,
    #[serde(rename = "type")]
    element: String,
    shape: Vec<usize>,
    bytes: usize,
}

impl FileInfo {
    /// Looks at what a source stands for: a file, or the four of MNIST.
    ///
    /// # Errors
    /// Bad input if a file cannot be used.
    pub fn of(source: &Source) -> Result<Vec<Self>, Error> {
        match source {
            Source::Mnist => {
                let Mnist { train_images, train_labels, test_images, test_labels } = opened::mnist(None)?;
                let tables = [train_images, train_labels, test_images, test_labels];
                Ok(tables.iter().map(Self::of_table).collect())
            }
            Source::File(path) => Ok(vec![match tensors(path) {
                Some(info) => Self::Tensors(info),
                None => Self::of_table(&open(path)?),
            }]),
            Source::Synthetic => Err(source.open().expect_err("it is no file")),
        }
    }

    fn of_table(table: &Table) -> Self {
        table.notes().iter().for_each(|note| tell(note));
        let found = Statistics::of(table);
        let (format, compressed) = match table.form() {
            Form::Plain(format) => (format.to_string(), false),
            Form::Compressed(format) => (format.to_string(), true),
            Form::Memory => ("memory".to_owned(), false),
        };
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let (rows, row_len, element) = (table.rows(), table.row_len(), table.element_type());
        Self::Table(Box::new(TableInfo {
            file: table.path().display().to_string(),
            format,
            compressed,
            element: element.name(),
            dims: table.dims().to_vec(),
            rows,
            row_len,
            bytes: (rows * row_len * element.size()) as u64,
            min: finite(found.min),
            max: finite(found.max),
            mean: finite(found.mean),
            standard_deviation: finite(found.deviation),
            zeros: found.zeros,
            not_finite: found.not_finite,
            zero_rows: found.zero_rows,
            repeated_rows: found.repeated_rows,
            values: found.values,
            sha256: table.sha256(),
        }))
    }
}

/// The tensors of a file, if it is one of safetensors.
fn tensors(path: &Path) -> Option<TensorsInfo> {
    // Tables, which may be larger than memory, are not read.
    let bytes = if path.extension()? == "safetensors" { checkpoint::read(path).ok()? } else { return None };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).ok()?;
    let mut tensors: Vec<TensorInfo> = SafeTensors::deserialize(&bytes)
        .ok()?
        .iter()
        .map(|(name, view)| TensorInfo {
            name: name.to_owned(),
            element: format!("{:?}", view.dtype()).to_lowercase(),
            shape: view.shape().to_vec(),
            bytes: view.data().len(),
        })
        .collect();
    tensors.sort_by(|left, right| left.name.cmp(&right.name));
    let metadata = metadata.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    Some(TensorsInfo { file: path.display().to_string(), format: "safetensors", tensors, metadata })
}

/// What was found, for people: a block a file.
pub fn text(files: &[FileInfo]) -> String {
    let blocks: Vec<String> = files
        .iter()
        .map(|file| match file {
            FileInfo::Table(info) => table_text(info),
            FileInfo::Tensors(info) => tensors_text(info),
        })
        .collect();
    blocks.join("\n")
}

fn table_text(info: &TableInfo) -> String {
    let share = |count: u64| 100.0 * count as f64 / (info.rows * info.row_len) as f64;
    let number = |value: Option<f64>| match value {
        None => "none".to_owned(),
        Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => whole.to_string(),
        Some(value) => number(value),
    };
    let dims: Vec<String> = info.dims.iter().map(|&dim| thousands(dim as u64)).collect();
    let gzip = if info.compressed { ", compressed by gzip" } else { "" };
    let mut rows = vec![
        ["format".to_owned(), format!("{}{gzip}, {}, {}", info.format, info.element, mebibytes(info.bytes))],
        ["shape".to_owned(), dims.join(" x ")],
        ["rows".to_owned(), format!("{} of {}", thousands(info.rows as u64), counted(info.row_len as u64, "number"))],
        ["range".to_owned(), format!("{} to {}", number(info.min), number(info.max))],
        ["mean".to_owned(), format!("{}, standard deviation {}", number(info.mean), number(info.standard_deviation))],
        ["zeros".to_owned(), format!("{} ({:.1} %)", thousands(info.zeros), share(info.zeros))],
    ];
    if let Some(values) = &info.values {
        let each: Vec<String> = values.iter().map(|(value, count)| format!("{value}: {}", thousands(*count))).collect();
        rows.push(["values".to_owned(), each.join(", ")]);
    }
    if info.not_finite > 0 {
        let what = format!("{} are NaN or infinite: no command computes with them", thousands(info.not_finite));
        rows.push(["not finite".to_owned(), what]);
    }
    if info.row_len > 1 {
        let (zero, repeated) = (info.zero_rows, info.repeated_rows);
        let cannot = if zero > 0 { ": they cannot be normalised" } else { "" };
        rows.push(["rows of zeros".to_owned(), format!("{}{cannot}", thousands(zero))]);
        let repeated = match repeated {
            None => "not counted: too many rows".to_owned(),
            Some(0) => "0".to_owned(),
            Some(rows) => format!("{}: without noise the samples are not in general position", thousands(rows)),
        };
        rows.push(["repeated rows".to_owned(), repeated]);
    }
    let expanded = if info.compressed { " of the expanded file" } else { "" };
    rows.push([format!("SHA-256{expanded}"), info.sha256.clone()]);
    format!("{}\n{}", Path::new(&info.file).shown(), table(&rows, &[Align::Left, Align::Left]))
}

fn tensors_text(info: &TensorsInfo) -> String {
    let shape = |shape: &[usize]| match shape {
        [] => "a number".to_owned(),
        dims => dims.iter().map(|&dim| thousands(dim as u64)).collect::<Vec<_>>().join(" x "),
    };
    let tensors = info.tensors.iter().map(|tensor| {
        [tensor.name.clone(), tensor.element.clone(), shape(&tensor.shape), mebibytes(tensor.bytes as u64)]
    });
    let tensors: Vec<[String; 4]> = tensors.collect();
    let tensors = table(&tensors, &[Align::Left, Align::Left, Align::Left, Align::Right]);
    // A run's whole configuration may stand there: its first line has to do.
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let about: Vec<[String; 2]> = info.metadata.iter().map(|(key, value)| [key.clone(), first_line(value)]).collect();
    format!("{}\n{tensors}{}", Path::new(&info.file).shown(), table(&about, &[Align::Left, Align::Left]))
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(count), if count == 1 { "" } else { "s" })
}
