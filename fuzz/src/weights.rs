//! Weights files and checkpoints.

use std::collections::BTreeMap;
use std::io;

use memorize_data::digest::Hasher;
use memorize_kernels::Element;
use memorize_run::run::keeper::About;
use memorize_train::checkpoint::{self, Frame, Weights};
use memorize_train::{Network, State};
use safetensors::SafeTensors;
use serde_json::{Map, Value, json};

use super::{memory, resume};

/// Memory for messages, whatever the file.
const SLACK: usize = 64 << 10;

/// Bytes that a byte of the file may become. The header is JSON, of which a shape `0,0,...` makes eight bytes of two
/// and a tensor a few hundred of fifty, twice; a matrix with one column has rows of 64 bytes for four in the file, and
/// is transposed.
const FACTOR: usize = 64;

/// A safetensors file, as it is and with the digest that somebody would give it who wants to be believed.
pub fn safetensors(bytes: &[u8]) {
    file(bytes);
    if let Some(sealed) = sealed(bytes) {
        file(&sealed);
    }
}

fn file(bytes: &[u8]) {
    let limit = FACTOR * bytes.len() + SLACK;
    for weights in [memory::at_most(limit, || checked(checkpoint::parse::<f64>(bytes)))].into_iter().flatten() {
        round_trips(&weights);
    }
    for weights in [memory::at_most(limit, || checked(checkpoint::parse::<f32>(bytes)))].into_iter().flatten() {
        round_trips(&weights);
    }
    let Ok(found) = memory::at_most(limit, || checked(checkpoint::parse_state(bytes))) else { return };
    let _ = serde_json::from_str::<About>(&found.about);
    if let Some(state) = found.state {
        state_round_trips(&state, &found.about);
        resume::everywhere(&state);
    }
}

fn checked<V>(outcome: Result<V, String>) -> Result<V, ()> {
    outcome.map_err(|problem| assert!(!problem.is_empty()))
}

/// What is accepted fits together, and is written and read back as it is.
fn round_trips<T: Element>(weights: &Weights<T>) {
    let Weights { network, features, projection, .. } = weights;
    assert!(network.neurons() > 0 && network.width() > 0 && network.signs.len() == network.neurons());
    let width = features.as_ref().map_or(network.width(), |layer| layer.weights().cols());
    assert!(features.as_ref().is_none_or(|layer| layer.weights().rows() == network.width() && layer.power() > 0));
    assert!(projection.as_ref().is_none_or(|(basis, mean)| basis.rows() == width && basis.cols() == mean.len()));
    let bytes = written(|out| checkpoint::write(out, weights));
    let again = checkpoint::parse::<T>(&bytes).expect("what the program writes it can read");
    assert_eq!(again.network.weights.padded(), network.weights.padded());
    assert_eq!(again.normalize, weights.normalize);
    assert_eq!(written(|out| checkpoint::write(out, &again)), bytes);
}

fn state_round_trips(state: &State, about: &str) {
    let frame = Frame::new(&Weights {
        network: Network::<f32>::zeros(2, 1).expect("a shape"),
        features: None,
        projection: None,
        normalize: None,
    });
    let bytes = written(|out| frame.write(out, state, about));
    let again = checkpoint::parse_state(&bytes).expect("what the program writes it can read");
    assert_eq!((again.state.as_ref(), again.about.as_str()), (Some(state), about));
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("there is room");
    bytes
}

/// The same file with the digest of its own contents, if it is well-formed.
pub fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, data) = parts(bytes)?;
    let tensors = SafeTensors::deserialize(bytes).ok()?;
    let mut header: Map<String, Value> = serde_json::from_slice(header).ok()?;
    let metadata = header.entry("__metadata__").or_insert_with(|| json!({})).as_object_mut()?;
    metadata.remove("sha256");
    let mut hasher = Hasher::default();
    for (key, value) in metadata.iter() {
        hasher.piece(key.as_bytes());
        hasher.piece(value.as_str()?.as_bytes());
    }
    for (name, tensor) in tensors.iter().collect::<BTreeMap<_, _>>() {
        hasher.piece(name.as_bytes());
        hasher.piece(format!("{:?} {:?}", tensor.dtype(), tensor.shape()).as_bytes());
        hasher.piece(tensor.data());
    }
    metadata.insert("sha256".to_owned(), Value::String(hasher.finish()));
    Some(joined(&serde_json::to_vec(&header).ok()?, data))
}

/// The header of a file, which begins with its length, and the numbers behind it.
pub fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// The file of a header and numbers.
pub fn joined(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header, data].concat()
}

/// The header of a file with one of its numbers replaced, both as `choice` says.
pub fn with_another_number(header: &[u8], choice: usize) -> Vec<u8> {
    const NUMBERS: [&str; 14] = [
        "0",
        "1",
        "2",
        "3",
        "4",
        "6",
        "41",
        "65536",
        "2147483648",
        "1152921504606846976",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
    ];
    let starts =
        (0..header.len()).filter(|&i| header[i].is_ascii_digit() && (i == 0 || !header[i - 1].is_ascii_digit()));
    let starts: Vec<usize> = starts.collect();
    let Some(&start) = starts.get(choice / NUMBERS.len() % starts.len().max(1)) else { return header.to_vec() };
    let digits = header[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    [&header[..start], NUMBERS[choice % NUMBERS.len()].as_bytes(), &header[start + digits..]].concat()
}
