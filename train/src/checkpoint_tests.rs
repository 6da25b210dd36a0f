//! Weights files and checkpoints, honest and damaged.

use super::*;

fn weights() -> Weights<f64> {
    let basis = Mat::from_fn(3, 5, |i, j| (i * 5 + j) as f64);
    Weights {
        network: Network::random(6, 4, 1.0, 1).unwrap(),
        features: Some(FeatureLayer::random(4, 3, 2, 0.5, 2).unwrap()),
        projection: Some((basis, vec![0.5; 5])),
        normalize: Some(true),
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
    says(&file(&[w.clone(), ("a", Dtype::F64, vec![1], f64s(&[1.0]))]), "save one sign a neuron");
    says(&file(&[("W", Dtype::F64, vec![2], f64s(&[1.0, 2.0])), a.clone()]), "a matrix is needed");
    says(&file(&[("W", Dtype::F64, vec![1, 2], f64s(&[1.0, f64::NAN])), a.clone()]), "must be finite");
    says(&file(&[("W", Dtype::I64, vec![1, 2], f64s(&[1.0, 2.0])), a.clone()]), "F32 and F64 are understood");
    says(
        &file(&[w.clone(), a.clone(), ("R", Dtype::F64, vec![2, 1], f64s(&[1.0, 2.0]))]),
        "2 features but `W` takes 1",
    );
    says(
        &file(&[w.clone(), a.clone(), ("R", Dtype::F64, vec![1, 1], f64s(&[1.0]))]),
        "needs the power of the features",
    );
    let mean = ("pca.mean", Dtype::F64, vec![1], f64s(&[1.0]));
    says(&file(&[w.clone(), a.clone(), mean.clone()]), "must be there together");
    let basis = ("pca.basis", Dtype::F64, vec![2, 1], f64s(&[1.0, 2.0]));
    says(&file(&[w, a, mean, basis]), "makes 2 values a sample but `W` takes 1");
    // No number bounds the other dimension: neither may the rows be counted nor the stride be computed.
    for shape in [[0, 0], [1 << 60, 0], [usize::MAX, 0], [0, usize::MAX]] {
        let hollow = |name| (name, Dtype::F64, shape.to_vec(), vec![]);
        says(&file(&[hollow("W"), ("a", Dtype::F64, vec![0], vec![])]), "nothing in it");
    }
}

fn state() -> State {
    State::new("test", u64::MAX, &weights().network.weights)
        .with_matrix("first", &Mat::from_fn(6, 4, |i, j| if i == j { f64::NAN } else { 1e-310 }))
        .with("counts", Tensor::counts(&[1, 2, 3]))
}

#[test]
fn a_checkpoint_is_a_weights_file_with_a_state_that_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    let about = "two lines,\n\"quoted\"";
    Frame::new(&weights()).save(&path, &state(), about).unwrap();
    let read = load_state(&path).unwrap();
    assert_eq!((read.state, read.about.as_str()), (Some(state()), about));
    let same: Weights<f64> = load(&path).unwrap();
    assert_eq!(same.network.weights.padded(), weights().network.weights.padded());
    assert_eq!(same.features.unwrap().power(), 2);

    save(&path, &weights()).unwrap();
    assert_eq!(load_state(&path).unwrap().state, None);
}

#[test]
fn damage_anywhere_in_a_checkpoint_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    Frame::new(&weights()).save(&path, &state(), "about").unwrap();
    let good = std::fs::read(&path).unwrap();
    let whole = parse_state(&good).unwrap();
    for at in 0..good.len() {
        for bit in [0, 3, 7] {
            let mut damaged = good.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(read) = parse_state(&damaged) {
                // White space at the end of the header means nothing.
                assert!(read.state == whole.state && read.about == whole.about, "bit {bit} of byte {at}");
            }
        }
        assert!(parse_state(&good[..at]).is_err(), "cut to {at} bytes");
    }
    // Weights alone are looked at in the same way.
    let last = good.len() - 1;
    let mut damaged = good.clone();
    damaged[last] ^= 1;
    assert!(parse::<f64>(&damaged).unwrap_err().starts_with("damaged"));
}

#[test]
fn a_file_of_another_program_is_no_checkpoint() {
    let one = 1f64.to_le_bytes().to_vec();
    let bytes = file(&[("W", Dtype::F64, vec![1, 1], one.clone()), ("a", Dtype::F64, vec![1], one)]);
    assert!(parse::<f64>(&bytes).is_ok());
    assert!(parse_state(&bytes).unwrap_err().contains("not a checkpoint of this program"));
}
