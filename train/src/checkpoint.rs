//! Weights in a file: safetensors with `W` (d x r, row-major) and `a` (r); three-layer files also `R` (k x d_in) and, with a
//! projection before it, `pca.basis` (m x d_in) and `pca.mean` (d_in). The metadata hold `p` and the program's version.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use memorize_data::source::write_atomically;
use memorize_kernels::{Element, Mat};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::TrainError;
use crate::features::FeatureLayer;
use crate::network::Network;

/// A trained network with everything that stands between raw samples and it.
#[derive(Clone, Debug)]
pub struct Weights<T: Element> {
    /// The trained layer.
    pub network: Network<T>,
    /// The random feature layer, of a three-layer net.
    pub features: Option<FeatureLayer<T>>,
    /// The projection before it: basis (m x d_in, a direction a row) and mean (d_in).
    pub projection: Option<(Mat<T>, Vec<T>)>,
}

/// A tensor as bytes.
struct Tensor {
    name: &'static str,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn matrix<T: Element>(name: &'static str, mat: &Mat<T>) -> Self {
        let values: Vec<T> = mat.iter().copied().collect();
        Self { name, shape: vec![mat.rows(), mat.cols()], bytes: bytemuck::cast_slice(&values).to_vec() }
    }

    fn vector<T: Element>(name: &'static str, values: &[T]) -> Self {
        Self { name, shape: vec![values.len()], bytes: bytemuck::cast_slice(values).to_vec() }
    }
}

/// Writes the weights to a temporary file beside `path`, syncs it and renames it: the file is there whole or not at all.
///
/// # Errors
/// [`TrainError::Io`] if the file cannot be written.
pub fn save<T: Element>(path: &Path, weights: &Weights<T>) -> Result<(), TrainError> {
    let mut tensors =
        vec![Tensor::matrix("W", &weights.network.weights.transposed()), Tensor::vector("a", &weights.network.signs)];
    let mut metadata = BTreeMap::from([("memorize", env!("CARGO_PKG_VERSION").to_owned())]);
    if let Some(features) = &weights.features {
        tensors.push(Tensor::matrix("R", features.weights()));
        metadata.insert("p", features.power().to_string());
    }
    if let Some((basis, mean)) = &weights.projection {
        tensors.push(Tensor::matrix("pca.basis", basis));
        tensors.push(Tensor::vector("pca.mean", mean));
    }
    let dtype = if size_of::<T>() == 4 { Dtype::F32 } else { Dtype::F64 };
    let views = tensors.iter().map(|tensor| {
        let view = TensorView::new(dtype, tensor.shape.clone(), &tensor.bytes);
        (tensor.name, view.expect("a tensor's bytes are made from its shape"))
    });
    let bytes = safetensors::serialize(views, None).expect("names, shapes and bytes agree");
    let bytes = with_metadata(&bytes, &metadata);
    let io = |source| TrainError::Io { action: "write", path: path.to_owned(), source };
    write_atomically(path, |file| file.write_all(&bytes)).map_err(io)
}

/// A safetensors file without metadata, given some, sorted by key. The library takes them as a `HashMap` and writes them
/// in an order that changes from run to run, but the same run has to leave the same bytes.
///
/// Keys and values must not need escapes in JSON.
fn with_metadata(file: &[u8], metadata: &BTreeMap<&str, String>) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk().expect("a safetensors file begins with the length of its header");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let entries: Vec<String> = metadata.iter().map(|(key, value)| format!("\"{key}\":\"{value}\"")).collect();
    let mut header = [format!("{{\"__metadata__\":{{{}}},", entries.join(",")).as_bytes(), &header[1..]].concat();
    header.resize(header.len().next_multiple_of(size_of::<u64>()), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header, data].concat()
}

/// Reads a weights file. Either element type is converted to T.
///
/// # Errors
/// [`TrainError::Io`] if the file cannot be read, [`TrainError::Weights`] if it is not a well-formed weights file:
/// every size is checked against the file's length, every value must be finite.
pub fn load<T: Element>(path: &Path) -> Result<Weights<T>, TrainError> {
    let bytes =
        std::fs::read(path).map_err(|source| TrainError::Io { action: "read", path: path.to_owned(), source })?;
    parse(&bytes).map_err(|problem| TrainError::Weights { path: path.to_owned(), problem })
}

/// The weights in the bytes of a safetensors file, or what is wrong with them.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse<T: Element>(bytes: &[u8]) -> Result<Weights<T>, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
        format!("not a well-formed safetensors file ({error}); was it cut short, or written by another program?")
    })?;
    let w: Mat<T> = matrix(&tensors, "W")?.ok_or_else(|| missing("W", "[d, r]", &tensors))?;
    let signs: Vec<T> = vector(&tensors, "a")?.ok_or_else(|| missing("a", "[r]", &tensors))?;
    if w.cols() != signs.len() {
        return Err(format!(
            "`W` has {} columns but `a` {} elements: one sign a neuron is needed",
            w.cols(),
            signs.len()
        ));
    }
    if w.rows() == 0 || w.cols() == 0 {
        return Err(format!("`W` is {} x {}: there is nothing in it", w.rows(), w.cols()));
    }
    let features = match matrix(&tensors, "R")? {
        None => None,
        Some(r) => Some(feature_layer(bytes, r, w.rows())?),
    };
    let projection = match (matrix(&tensors, "pca.basis")?, vector(&tensors, "pca.mean")?) {
        (None, None) => None,
        (Some(basis), Some(mean)) if basis.cols() == mean.len() => Some((basis, mean)),
        _ => return Err("`pca.basis` [m, d] and `pca.mean` [d] must both be there and fit together".to_owned()),
    };
    if let Some((basis, _)) = &projection {
        let (behind, width) = features.as_ref().map_or(("W", w.rows()), |layer| ("R", layer.weights().cols()));
        if basis.rows() != width {
            return Err(format!("`pca.basis` makes {} values a sample but `{behind}` takes {width}", basis.rows()));
        }
    }
    Ok(Weights { network: Network { weights: w.transposed(), signs }, features, projection })
}

fn feature_layer<T: Element>(bytes: &[u8], r: Mat<T>, width: usize) -> Result<FeatureLayer<T>, String> {
    if r.rows() != width {
        return Err(format!("`R` makes {} features but `W` takes {width}", r.rows()));
    }
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let power = metadata.metadata().as_ref().and_then(|metadata| metadata.get("p")).and_then(|p| p.parse().ok());
    let power = power.ok_or("a file with `R` needs the power `p` (a whole number) in its metadata")?;
    FeatureLayer::new(r, power).map_err(|error| error.to_string())
}

fn missing(name: &str, shape: &str, tensors: &SafeTensors<'_>) -> String {
    let mut names = tensors.names();
    names.sort_unstable();
    format!("no tensor `{name}` {shape}; the file holds: {}", names.join(", "))
}

fn matrix<T: Element>(tensors: &SafeTensors<'_>, name: &str) -> Result<Option<Mat<T>>, String> {
    let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
    let &[rows, cols] = tensor.shape() else {
        return Err(format!("`{name}` has shape {:?}, a matrix is needed", tensor.shape()));
    };
    Ok(Some(Mat::from_slice(rows, cols, &values(&tensor, name)?)))
}

fn vector<T: Element>(tensors: &SafeTensors<'_>, name: &str) -> Result<Option<Vec<T>>, String> {
    let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
    match tensor.shape() {
        [_] => values(&tensor, name).map(Some),
        shape => Err(format!("`{name}` has shape {shape:?}, a vector is needed")),
    }
}

fn values<T: Element>(tensor: &TensorView<'_>, name: &str) -> Result<Vec<T>, String> {
    let values: Vec<T> = match tensor.dtype() {
        Dtype::F32 => {
            let number = |bytes: &[u8]| f64::from(f32::from_le_bytes(bytes.try_into().expect("chunks of four")));
            tensor.data().chunks_exact(4).map(|bytes| T::from_f64(number(bytes))).collect()
        }
        Dtype::F64 => {
            let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
            tensor.data().chunks_exact(8).map(|bytes| T::from_f64(number(bytes))).collect()
        }
        other => return Err(format!("`{name}` holds {other:?}; F32 and F64 are understood")),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("`{name}` holds {} at element {at}; all weights must be finite", values[at])),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights() -> Weights<f64> {
        let basis = Mat::from_fn(3, 5, |i, j| (i * 5 + j) as f64);
        Weights {
            network: Network::random(6, 4, 1.0, 1).unwrap(),
            features: Some(FeatureLayer::random(4, 3, 2, 0.5, 2).unwrap()),
            projection: Some((basis, vec![0.5; 5])),
        }
    }

    #[test]
    fn weights_round_trip_in_either_type() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        save(&path, &weights()).unwrap();
        let same: Weights<f64> = load(&path).unwrap();
        assert_eq!(same.network.weights.padded(), weights().network.weights.padded());
        assert_eq!(same.features.as_ref().unwrap().power(), 2);
        assert_eq!(same.projection.unwrap().1, [0.5; 5]);
        let rounded: Weights<f32> = load(&path).unwrap();
        assert_eq!(rounded.network.weights.row(0)[0], weights().network.weights.row(0)[0] as f32);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn w_is_stored_as_the_paper_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        save(&path, &weights()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(SafeTensors::deserialize(&bytes).unwrap().tensor("W").unwrap().shape(), [4, 6]);
    }

    #[test]
    fn the_same_weights_are_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = || {
            let path = folder.path().join("w.safetensors");
            save(&path, &weights()).unwrap();
            std::fs::read(&path).unwrap()
        };
        let first = bytes();
        assert!((0..20).all(|_| bytes() == first));
        let (_, metadata) = SafeTensors::read_metadata(&first).unwrap();
        let metadata = metadata.metadata().as_ref().unwrap();
        assert_eq!((metadata["memorize"].as_str(), metadata["p"].as_str()), (env!("CARGO_PKG_VERSION"), "2"));
    }

    fn file(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
        let views =
            tensors.iter().map(|(n, dtype, shape, data)| (*n, TensorView::new(*dtype, shape.clone(), data).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn every_way_to_be_wrong_has_its_sentence() {
        let f64s = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let w = ("W", Dtype::F64, vec![1, 2], f64s(&[1.0, 2.0]));
        let a = ("a", Dtype::F64, vec![2], f64s(&[1.0, -1.0]));
        let good = file(&[w.clone(), a.clone()]);
        assert!(parse::<f32>(&good).is_ok());
        let says = |bytes: &[u8], words: &str| {
            let problem = parse::<f64>(bytes).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        };
        says(&good[..good.len() - 1], "cut short");
        says(b"<html>not found</html>", "not a well-formed safetensors file");
        says(&[0xff; 64], "not a well-formed safetensors file");
        says(&file(std::slice::from_ref(&a)), "no tensor `W`");
        says(&file(std::slice::from_ref(&w)), "no tensor `a`");
        says(&file(&[w.clone(), ("a", Dtype::F64, vec![1], f64s(&[1.0]))]), "one sign a neuron");
        says(&file(&[("W", Dtype::F64, vec![2], f64s(&[1.0, 2.0])), a.clone()]), "a matrix is needed");
        says(&file(&[("W", Dtype::F64, vec![1, 2], f64s(&[1.0, f64::NAN])), a.clone()]), "must be finite");
        says(&file(&[("W", Dtype::I64, vec![1, 2], f64s(&[1.0, 2.0])), a.clone()]), "F32 and F64 are understood");
        says(
            &file(&[w.clone(), a.clone(), ("R", Dtype::F64, vec![2, 1], f64s(&[1.0, 2.0]))]),
            "2 features but `W` takes 1",
        );
        says(&file(&[w.clone(), a.clone(), ("R", Dtype::F64, vec![1, 1], f64s(&[1.0]))]), "needs the power");
        let mean = ("pca.mean", Dtype::F64, vec![1], f64s(&[1.0]));
        says(&file(&[w.clone(), a.clone(), mean.clone()]), "must both be there");
        let basis = ("pca.basis", Dtype::F64, vec![2, 1], f64s(&[1.0, 2.0]));
        says(&file(&[w, a, mean, basis]), "makes 2 values a sample but `W` takes 1");
        says(&file(&[("W", Dtype::F64, vec![0, 0], vec![]), ("a", Dtype::F64, vec![0], vec![])]), "nothing in it");
    }
}
