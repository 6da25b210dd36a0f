//! Weights in a file: safetensors with `W` (d x r, row-major) and `a` (r); three-layer files also `R` (k x d_in) and,
//! with a projection before it, `pca.basis` (m x d_in) and `pca.mean` (d_in). The metadata hold `p`, `normalize`, the
//! program's version and a SHA-256 of everything else. A checkpoint from which training can go on is the same file with
//! the tensors of a [`State`] in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use bytemuck::pod_read_unaligned;
use memorize_data::digest::Hasher;
use memorize_data::output::{self, Staged};
use memorize_data::small;
use memorize_kernels::{Element, Mat};
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors, TensorInfo, TensorView};

use crate::error::TrainError;
use crate::features::FeatureLayer;
use crate::network::Network;
use crate::state::{State, Tensor, WEIGHTS};

/// A trained network with everything that stands between raw samples and it.
#[derive(Clone, Debug)]
pub struct Weights<T: Element> {
    /// The trained layer.
    pub network: Network<T>,
    /// The random feature layer, of a three-layer net.
    pub features: Option<FeatureLayer<T>>,
    /// The projection before it: basis (m x d_in, a direction a row) and mean (d_in). The mean is in f64 whatever T is:
    /// it is taken off before a sample is rounded, and may be much larger than what is left.
    pub projection: Option<(Mat<T>, Vec<f64>)>,
    /// Whether every sample is scaled to length 1 before all this; `None` in a file that does not say.
    pub normalize: Option<bool>,
}

/// Weights with what it takes to go on training them.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The state; `None` in the file of a run that has ended.
    pub state: Option<State>,
    /// What [`Frame::save`] was given.
    pub about: String,
}

/// Everything around W in a weights file, to be written again and again with other weights.
#[derive(Clone, Debug)]
pub struct Frame {
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

/// Metadata that say whether samples are scaled to length 1 first: `true` or `false`.
const NORMALIZE: &str = "normalize";
/// Metadata with the digest of everything else in the file.
const DIGEST: &str = "sha256";
/// Metadata with the optimiser that a state is of, the iteration, and the caller's text.
const OPTIMIZER: &str = "optimizer";
const ITERATION: &str = "iteration";
const ABOUT: &str = "run";
/// Longest header that is read, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;
/// Prefix of the names of a state's tensors, W apart.
const STATE: &str = "state.";

impl Frame {
    /// The signs, the features, the projection and the names that a file has beside the weights of this network.
    ///
    /// ```
    /// use memorize_train::Network;
    /// use memorize_train::checkpoint::{Frame, Weights};
    ///
    /// let network = Network::<f32>::zeros(2, 3)?;
    /// let _frame = Frame::new(&Weights { network, features: None, projection: None, normalize: Some(true) });
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn new<T: Element>(weights: &Weights<T>) -> Self {
        let mut tensors = BTreeMap::from([("a".to_owned(), Tensor::vector(&weights.network.signs))]);
        let mut metadata = BTreeMap::from([("memorize".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        if let Some(features) = &weights.features {
            tensors.insert("R".to_owned(), Tensor::matrix(features.weights()));
            metadata.insert("p".to_owned(), features.power().to_string());
        }
        if let Some((basis, mean)) = &weights.projection {
            tensors.insert("pca.basis".to_owned(), Tensor::matrix(basis));
            tensors.insert("pca.mean".to_owned(), Tensor::vector(mean));
        }
        if let Some(normalize) = weights.normalize {
            metadata.insert(NORMALIZE.to_owned(), normalize.to_string());
        }
        Self { tensors, metadata }
    }

    /// Writes the weights of a state together with the state, as [`save`] writes weights alone. `about` is kept for
    /// whoever reads the file.
    ///
    /// # Errors
    /// [`TrainError::Io`] if the file cannot be written; an older file of that name is then untouched.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// use memorize_train::checkpoint::{Frame, Weights, load_state};
    /// use memorize_train::state::{Tensor, WEIGHTS};
    /// use memorize_train::{Network, State};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("checkpoint.safetensors");
    /// let network = Network::<f32>::random(2, 3, 0.1, 1)?;
    /// let tensors = BTreeMap::from([(WEIGHTS.to_owned(), Tensor::matrix(&network.weights.transposed()))]);
    /// let state = State { optimizer: "mine".to_owned(), iteration: 7, tensors };
    /// let weights = Weights { network, features: None, projection: None, normalize: None };
    /// Frame::new(&weights).save(&path, &state, "a run")?;
    /// let found = load_state(&path)?;
    /// assert_eq!((found.state, found.about), (Some(state), "a run".to_owned()));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn save(&self, path: &Path, state: &State, about: &str) -> Result<(), TrainError> {
        let staged = output::stage(path, |file| self.write(file, state, about));
        staged.and_then(Staged::commit).map_err(|source| cannot_write(path, source))
    }

    /// Writes what [`Frame::save`] does to `out`, a tensor at a time.
    ///
    /// # Errors
    /// Those of `out`.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// use memorize_train::checkpoint::{Frame, Weights, parse_state};
    /// use memorize_train::state::{Tensor, WEIGHTS};
    /// use memorize_train::{Network, State};
    ///
    /// let network = Network::<f32>::random(2, 3, 0.1, 1)?;
    /// let tensors = BTreeMap::from([(WEIGHTS.to_owned(), Tensor::matrix(&network.weights.transposed()))]);
    /// let state = State { optimizer: "mine".to_owned(), iteration: 7, tensors };
    /// let mut bytes = Vec::new();
    /// let weights = Weights { network, features: None, projection: None, normalize: None };
    /// Frame::new(&weights).write(&mut bytes, &state, "").unwrap();
    /// assert_eq!(parse_state(&bytes).unwrap().state, Some(state));
    /// # Ok::<(), memorize_train::TrainError>(())
    /// ```
    pub fn write(&self, out: &mut impl Write, state: &State, about: &str) -> io::Result<()> {
        let name = |name: &String| if name == WEIGHTS { name.clone() } else { format!("{STATE}{name}") };
        let tensors = state.tensors.iter().map(|(key, tensor)| (name(key), tensor));
        let pairs =
            [(OPTIMIZER, state.optimizer.clone()), (ITERATION, state.iteration.to_string()), (ABOUT, about.to_owned())];
        let metadata = pairs.map(|(key, value)| (key.to_owned(), value));
        self.serialize(out, tensors, metadata)
    }

    fn serialize<'a>(
        &'a self,
        out: &mut impl Write,
        tensors: impl IntoIterator<Item = (String, &'a Tensor)>,
        metadata: impl IntoIterator<Item = (String, String)>,
    ) -> io::Result<()> {
        let own = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor));
        let tensors: BTreeMap<_, _> = own.chain(tensors).collect();
        let mut metadata: BTreeMap<_, _> = self.metadata.clone().into_iter().chain(metadata).collect();
        let views = tensors.iter().map(|(name, tensor)| {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes);
            (name.as_str(), view.expect("a tensor's bytes are made from its shape"))
        });
        metadata.insert(DIGEST.to_owned(), digest(views, &metadata));
        let mut tensors: Vec<_> = tensors.into_iter().collect();
        // As the library orders them: the widest numbers first, so that all are aligned in the file.
        tensors.sort_by(|(name, a), (other, b)| b.dtype.cmp(&a.dtype).then(name.cmp(other)));
        out.write_all(&header_of(&tensors, &metadata))?;
        tensors.iter().try_for_each(|(_, tensor)| out.write_all(&tensor.bytes))
    }
}

/// Writes the weights to a temporary file beside `path`, syncs it and renames it: the file is there whole or not at
/// all.
///
/// # Errors
/// [`TrainError::Io`] if the file cannot be written.
///
/// ```
/// use memorize_train::Network;
/// use memorize_train::checkpoint::{Weights, load, save};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("W.safetensors");
/// let network = Network::<f32>::random(2, 3, 0.1, 1)?;
/// save(&path, &Weights { network: network.clone(), features: None, projection: None, normalize: Some(true) })?;
/// let found = load::<f32>(&path)?;
/// assert_eq!((found.network.weights.row(1), found.normalize), (network.weights.row(1), Some(true)));
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn save<T: Element>(path: &Path, weights: &Weights<T>) -> Result<(), TrainError> {
    stage(path, weights)?.commit().map_err(|source| cannot_write(path, source))
}

/// The first half of [`save`]: what is left is to rename the file.
///
/// # Errors
/// [`TrainError::Io`] if the file cannot be written.
///
/// ```
/// use memorize_train::Network;
/// use memorize_train::checkpoint::{Weights, stage};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("W.safetensors");
/// let network = Network::<f32>::random(2, 3, 0.1, 1)?;
/// let staged = stage(&path, &Weights { network, features: None, projection: None, normalize: None })?;
/// assert!(!path.exists());
/// staged.commit().unwrap();
/// assert!(path.exists());
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn stage<T: Element>(path: &Path, weights: &Weights<T>) -> Result<Staged, TrainError> {
    output::stage(path, |file| write(file, weights)).map_err(|source| cannot_write(path, source))
}

/// Writes what [`save`] does to `out`, a tensor at a time.
///
/// # Errors
/// Those of `out`.
///
/// ```
/// use memorize_train::Network;
/// use memorize_train::checkpoint::{Weights, parse, write};
///
/// let network = Network::<f64>::random(2, 3, 0.1, 1)?;
/// let mut bytes = Vec::new();
/// let weights = Weights { network: network.clone(), features: None, projection: None, normalize: None };
/// write(&mut bytes, &weights).unwrap();
/// assert_eq!(parse::<f64>(&bytes).unwrap().network.weights.row(0), network.weights.row(0));
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn write<T: Element>(out: &mut impl Write, weights: &Weights<T>) -> io::Result<()> {
    let w = Tensor::matrix(&weights.network.weights.transposed());
    Frame::new(weights).serialize(out, [(WEIGHTS.to_owned(), &w)], [])
}

fn cannot_write(path: &Path, source: io::Error) -> TrainError {
    TrainError::Io { action: "write", path: path.to_owned(), source }
}

/// All of a safetensors file before its tensors, which follow in this order; metadata sorted by key. The library takes
/// them as a `HashMap` and writes them in an order that changes from run to run, but the same run has to leave the same
/// bytes.
fn header_of(tensors: &[(String, &Tensor)], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut end = 0;
    let infos = tensors.iter().map(|(name, tensor)| {
        let start = end;
        end += tensor.bytes.len();
        let (dtype, shape, data_offsets) = (tensor.dtype, tensor.shape.clone(), (start, end));
        (name.clone(), TensorInfo { dtype, shape, data_offsets })
    });
    let without = Metadata::new(None, infos.collect()).expect("shapes and bytes agree");
    let without = serde_json::to_string(&without).expect("names and numbers are always JSON");
    let metadata = serde_json::to_string(metadata).expect("strings are always JSON");
    let mut header = format!("{{\"__metadata__\":{metadata},{}", &without[1..]).into_bytes();
    header.resize(header.len().next_multiple_of(size_of::<u64>()), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header].concat()
}

/// SHA-256 of the names, types, shapes and bytes of all tensors, in the order of their names, and of the metadata
/// without the digest.
fn digest<'a>(tensors: impl Iterator<Item = (&'a str, TensorView<'a>)>, metadata: &BTreeMap<String, String>) -> String {
    let mut hasher = Hasher::default();
    for (key, value) in metadata.iter().filter(|(key, _)| *key != DIGEST) {
        hasher.piece(key.as_bytes());
        hasher.piece(value.as_bytes());
    }
    for (name, tensor) in tensors {
        hasher.piece(name.as_bytes());
        hasher.piece(format!("{:?} {:?}", tensor.dtype(), tensor.shape()).as_bytes());
        hasher.piece(tensor.data());
    }
    hasher.finish()
}

/// The tensors and the metadata of a file, whose digest, if it has one, is right.
fn open(bytes: &[u8]) -> Result<(SafeTensors<'_>, BTreeMap<String, String>), String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(malformed)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
    let metadata: BTreeMap<_, _> = header.metadata().clone().unwrap_or_default().into_iter().collect();
    if let Some(expected) = metadata.get(DIGEST) {
        let sorted: BTreeMap<_, _> = tensors.iter().collect();
        if digest(sorted.into_iter(), &metadata) != *expected {
            return Err("damaged: what is in it is not what was written (its SHA-256 is another one)".to_owned());
        }
    }
    Ok((tensors, metadata))
}

/// Reads what [`Frame::save`] or [`save`] has written.
///
/// # Errors
/// [`TrainError::Io`] if the file cannot be read, [`TrainError::Weights`] if it is not to the bit what this program has
/// written.
///
/// ```
/// # use memorize_train::Network;
/// # use memorize_train::checkpoint::{Weights, load_state, save};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("W.safetensors");
/// # let network = Network::<f32>::random(2, 3, 0.1, 1)?;
/// save(&path, &Weights { network, features: None, projection: None, normalize: None })?;
/// // A run that has ended has nothing to go on from.
/// assert!(load_state(&path)?.state.is_none());
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn load_state(path: &Path) -> Result<Checkpoint, TrainError> {
    parse_state(&read(path)?).map_err(|problem| TrainError::Weights { path: path.to_owned(), problem })
}

/// The state in the bytes of a checkpoint, or what is wrong with them.
///
/// # Errors
/// A sentence that says what is wrong.
///
/// ```
/// let error = memorize_train::checkpoint::parse_state(b"no such file").unwrap_err();
/// assert!(!error.is_empty());
/// ```
pub fn parse_state(bytes: &[u8]) -> Result<Checkpoint, String> {
    let (tensors, mut metadata) = open(bytes)?;
    if !metadata.contains_key(DIGEST) {
        return Err(format!("its metadata have no `{DIGEST}`: not a checkpoint of this program"));
    }
    let about = metadata.remove(ABOUT).unwrap_or_default();
    let Some(optimizer) = metadata.remove(OPTIMIZER) else { return Ok(Checkpoint { state: None, about }) };
    let iteration = metadata.get(ITERATION).and_then(|iteration| iteration.parse().ok());
    let iteration = iteration.ok_or_else(|| format!("its metadata have no `{ITERATION}`"))?;
    let mut state = State { optimizer, iteration, tensors: BTreeMap::new() };
    for (name, view) in tensors.iter() {
        let name = if name == WEIGHTS { Some(name) } else { name.strip_prefix(STATE) };
        let Some(name) = name else { continue };
        let tensor = Tensor { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
        state.tensors.insert(name.to_owned(), tensor);
    }
    Ok(Checkpoint { state: Some(state), about })
}

/// The bytes of a safetensors file. Of one that is not as long as its header says, no more than the header is read.
///
/// # Errors
/// [`TrainError::Io`] if it cannot be read or is no regular file, [`TrainError::Weights`] if it is not well-formed, or
/// larger than memory.
///
/// ```
/// use memorize_train::TrainError;
/// use memorize_train::checkpoint::read;
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("W.safetensors");
/// std::fs::write(&path, "not one").unwrap();
/// assert!(matches!(read(&path), Err(TrainError::Weights { .. })));
/// assert!(matches!(read(folder.path()), Err(TrainError::Io { .. })));
/// ```
pub fn read(path: &Path) -> Result<Vec<u8>, TrainError> {
    let io = |source| TrainError::Io { action: "read", path: path.to_owned(), source };
    let wrong = |problem| TrainError::Weights { path: path.to_owned(), problem };
    let mut file = small::open_regular(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut bytes = header(&mut file, length).map_err(io)?;
    let outline = Outline::of(&bytes).map_err(|error| wrong(malformed(error)))?;
    let whole = (bytes.len() as u64).saturating_add(outline.data);
    if whole != length {
        return Err(wrong(malformed(SafeTensorError::MetadataIncompleteBuffer)));
    }
    let rest = usize::try_from(outline.data).unwrap_or(usize::MAX);
    bytes
        .try_reserve_exact(rest)
        .map_err(|_| wrong(format!("its {length} bytes are more than there is memory for")))?;
    file.take(rest as u64).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// Whether a file holds a state to go on from, by its header alone.
///
/// # Errors
/// If it cannot be read, or is no safetensors file.
///
/// ```
/// # use memorize_train::Network;
/// # use memorize_train::checkpoint::{Weights, has_state, save};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("W.safetensors");
/// # let network = Network::<f32>::random(2, 3, 0.1, 1)?;
/// save(&path, &Weights { network, features: None, projection: None, normalize: None })?;
/// assert!(!has_state(&path).unwrap());
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn has_state(path: &Path) -> io::Result<bool> {
    let mut file = small::open_regular(path)?;
    let length = file.metadata()?.len();
    let outline = Outline::of(&header(&mut file, length)?).map_err(|error| io::Error::other(malformed(error)))?;
    Ok(outline.has_state)
}

/// Outline of the tensors that a header announces.
struct Outline {
    /// Bytes of all tensors.
    data: u64,
    has_state: bool,
}

impl Outline {
    /// # Errors
    /// The library's: it looks at whole files only.
    fn of(header: &[u8]) -> Result<Self, SafeTensorError> {
        let json = header.get(size_of::<u64>()..).unwrap_or_default();
        let Ok(tensors) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json) else {
            return Err(SafeTensors::read_metadata(header).err().unwrap_or(SafeTensorError::InvalidHeaderLength));
        };
        let end = |(_, tensor): (&String, &serde_json::Value)| tensor["data_offsets"][1].as_u64();
        let data = tensors.iter().filter_map(end).max().unwrap_or(0);
        Ok(Self {
            data,
            has_state: tensors.get("__metadata__").is_some_and(|metadata| metadata.get(OPTIMIZER).is_some()),
        })
    }
}

/// What comes before the tensors in a file of so many bytes, as far as it is there.
fn header(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(size_of::<u64>() as u64).read_to_end(&mut bytes)?;
    let said = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    // One that is longer than this is refused by the library; the file's own length is the other bound.
    file.take(said.min(length).min(LONGEST_HEADER)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn malformed(error: SafeTensorError) -> String {
    format!("not a well-formed safetensors file ({error}); was it cut short, or written by another program?")
}

/// Reads a weights file. Either element type is converted to T.
///
/// # Errors
/// [`TrainError::Io`] if the file cannot be read, [`TrainError::Weights`] if it is not a well-formed weights file:
/// every size is checked against the file's length, every value must be finite.
///
/// ```
/// use memorize_train::TrainError;
/// use memorize_train::checkpoint::load;
///
/// let folder = tempfile::tempdir().unwrap();
/// let missing = load::<f32>(&folder.path().join("W.safetensors"));
/// assert!(matches!(missing, Err(TrainError::Io { .. })));
/// ```
pub fn load<T: Element>(path: &Path) -> Result<Weights<T>, TrainError> {
    parse(&read(path)?).map_err(|problem| TrainError::Weights { path: path.to_owned(), problem })
}

/// The weights in the bytes of a safetensors file, or what is wrong with them.
///
/// # Errors
/// A sentence that says what is wrong.
///
/// ```
/// # use memorize_train::Network;
/// # use memorize_train::checkpoint::{Weights, parse, write};
/// # let network = Network::<f32>::random(2, 3, 0.1, 1)?;
/// # let mut bytes = Vec::new();
/// write(&mut bytes, &Weights { network, features: None, projection: None, normalize: None }).unwrap();
/// assert!(parse::<f32>(&bytes).is_ok());
/// // A file that was cut short is refused.
/// assert!(parse::<f32>(&bytes[..bytes.len() - 1]).is_err());
/// # Ok::<(), memorize_train::TrainError>(())
/// ```
pub fn parse<T: Element>(bytes: &[u8]) -> Result<Weights<T>, String> {
    let (tensors, metadata) = open(bytes)?;
    let w: Mat<T> = transposed(&tensors, "W")?.ok_or_else(|| missing("W", "[d, r]", &tensors))?;
    let signs: Vec<T> = vector(&tensors, "a")?.ok_or_else(|| missing("a", "[r]", &tensors))?;
    if w.rows() != signs.len() {
        return Err(format!("`W` has {} columns but `a` {} elements; save one sign a neuron", w.rows(), signs.len()));
    }
    let features = match matrix(&tensors, "R")? {
        None => None,
        Some(r) => Some(feature_layer(&metadata, r, w.cols())?),
    };
    let projection = match (matrix(&tensors, "pca.basis")?, vector(&tensors, "pca.mean")?) {
        (None, None) => None,
        (Some(basis), Some(mean)) if basis.cols() == mean.len() => Some((basis, mean)),
        _ => return Err("`pca.basis` [m, d] and `pca.mean` [d] must be there together and of one width".to_owned()),
    };
    if let Some((basis, _)) = &projection {
        let (behind, width) = features.as_ref().map_or(("W", w.cols()), |layer| ("R", layer.weights().cols()));
        if basis.rows() != width {
            return Err(format!(
                "`pca.basis` makes {} values a sample but `{behind}` takes {width}; save the tensors of one network",
                basis.rows()
            ));
        }
    }
    let normalize = match metadata.get(NORMALIZE).map(String::as_str) {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(other) => {
            return Err(format!("`{NORMALIZE}` in its metadata is {other:?}; true and false are understood"));
        }
    };
    Ok(Weights { network: Network { weights: w, signs }, features, projection, normalize })
}

fn feature_layer<T: Element>(
    metadata: &BTreeMap<String, String>,
    r: Mat<T>,
    width: usize,
) -> Result<FeatureLayer<T>, String> {
    if r.rows() != width {
        return Err(format!("`R` makes {} features but `W` takes {width}; save the tensors of one network", r.rows()));
    }
    let power = metadata.get("p").and_then(|p| p.parse().ok());
    let power = power
        .ok_or("a file with `R` needs the power of the features; save it as `p` (a whole number) in the metadata")?;
    FeatureLayer::new(r, power).map_err(|error| error.to_string())
}

fn missing(name: &str, shape: &str, tensors: &SafeTensors<'_>) -> String {
    let mut names = tensors.names();
    names.sort_unstable();
    format!("no tensor `{name}` {shape}; the file holds: {}", names.join(", "))
}

fn matrix<T: Element>(tensors: &SafeTensors<'_>, name: &str) -> Result<Option<Mat<T>>, String> {
    shaped(tensors, name, |[rows, cols], value| Mat::from_fn(rows, cols, |i, j| value(i * cols + j)))
}

/// The transpose of a matrix, of which there is no copy as it is in the file.
fn transposed<T: Element>(tensors: &SafeTensors<'_>, name: &str) -> Result<Option<Mat<T>>, String> {
    shaped(tensors, name, |[rows, cols], value| Mat::from_fn(cols, rows, |j, i| value(i * cols + j)))
}

/// What `make` makes of a matrix with this shape and these numbers, row-major.
fn shaped<T: Element>(
    tensors: &SafeTensors<'_>,
    name: &str,
    make: impl FnOnce([usize; 2], &dyn Fn(usize) -> T) -> Mat<T>,
) -> Result<Option<Mat<T>>, String> {
    let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
    let &[rows, cols] = tensor.shape() else {
        return Err(format!("`{name}` has shape {:?}, a matrix is needed", tensor.shape()));
    };
    // Without numbers, the other dimension is not bound by the file's length.
    if rows == 0 || cols == 0 {
        return Err(format!("`{name}` is {rows} x {cols}: there is nothing in it"));
    }
    let value = numbers(&tensor, name)?;
    Ok(Some(make([rows, cols], &*value)))
}

fn vector<T: Element>(tensors: &SafeTensors<'_>, name: &str) -> Result<Option<Vec<T>>, String> {
    let Ok(tensor) = tensors.tensor(name) else { return Ok(None) };
    match *tensor.shape() {
        [len] => Ok(Some((0..len).map(numbers(&tensor, name)?).collect())),
        ref shape => Err(format!("`{name}` has shape {shape:?}, a vector is needed")),
    }
}

/// A tensor's numbers, none of them infinite or NaN in T, by their place in the file.
fn numbers<'a, T: Element>(tensor: &TensorView<'a>, name: &str) -> Result<Box<dyn Fn(usize) -> T + 'a>, String> {
    let data = tensor.data();
    let (size, number): (usize, Box<dyn Fn(usize) -> T + 'a>) = match tensor.dtype() {
        Dtype::F32 => (4, Box::new(|at| T::from_f64(f64::from(pod_read_unaligned::<f32>(&data[4 * at..][..4]))))),
        Dtype::F64 => (8, Box::new(|at| T::from_f64(pod_read_unaligned(&data[8 * at..][..8])))),
        other => return Err(format!("`{name}` holds {other:?}; F32 and F64 are understood")),
    };
    match (0..data.len() / size).find(|&at| !number(at).is_finite()) {
        Some(at) => Err(format!("`{name}` holds {} at element {at}; all weights must be finite", number(at))),
        None => Ok(number),
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
