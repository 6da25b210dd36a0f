//! The three-layer experiments' data path on MNIST, against values computed with NumPy 2.4.6:
//!
//! ```python
//! x = images.reshape(60000, 784).astype(np.float64); x /= np.linalg.norm(x, axis=1, keepdims=True)
//! w, v = np.linalg.eigh(np.cov(x.T, bias=True)); w = w[::-1]; v = v[:, ::-1][:, :100]
//! v *= np.sign(v[np.abs(v).argmax(0), np.arange(100)])      # the element of largest modulus is positive
//! w[[0, 1, 49, 99]], ((x[0] - x.mean(0)) @ v)[[0, 1, 49, 99]], ((t[9999] - x.mean(0)) @ v)[[0, 1, 49, 99]]
//! ```

use std::sync::Arc;

use memorize_data::{Mnist, Preparation, Prepared, Projection};
use memorize_kernels::{Engine, Mat, Rows};

const DIRECTIONS: [usize; 4] = [0, 1, 49, 99];
const VARIANCES: [f64; 4] = [0.05624469, 0.04352563, 0.00204954, 0.00065389];
const FIRST_TRAINING_IMAGE: [f64; 4] = [0.01214369, -0.09180409, 0.02057611, 0.00541828];
const LAST_TEST_IMAGE: [f64; 4] = [-0.19345692, -0.19943509, -0.01791135, 0.00062484];

#[test]
fn projections_agree_with_numpy() {
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../mnist/files");
    let mnist = Mnist::open(Some(&files), None).unwrap();
    let engine = Engine::best();
    let mut preparation = Preparation { normalize: true, ..Preparation::default() };
    let train = Arc::new(mnist.train_images);
    let plain = Prepared::<f64>::new(&engine, train.clone(), &preparation).unwrap();
    let projection = Arc::new(Projection::fit(&engine, &plain, 100).unwrap());
    // NumPy printed eight decimals.
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-8, "{a} against {b}");
    DIRECTIONS.iter().zip(VARIANCES).for_each(|(&at, expected)| close(projection.variances[at], expected));

    preparation.projection = Some(projection);
    let mut scratch = Mat::zeros(1, 100);
    let train = Prepared::<f64>::new(&engine, train, &preparation).unwrap();
    let row = train.block(0..1, &mut scratch).row(0).to_vec();
    DIRECTIONS.iter().zip(FIRST_TRAINING_IMAGE).for_each(|(&at, expected)| close(row[at], expected));
    let test = Prepared::<f32>::new(&engine, Arc::new(mnist.test_images), &preparation).unwrap();
    let mut scratch = Mat::zeros(1, 100);
    let row = test.block(9999..10_000, &mut scratch).row(0).to_vec();
    for (&at, expected) in DIRECTIONS.iter().zip(LAST_TEST_IMAGE) {
        assert!((f64::from(row[at]) - expected).abs() < 1e-6, "{} against {expected}", row[at]);
    }
}
