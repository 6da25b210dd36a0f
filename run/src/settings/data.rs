//! `[data]`: the training and test sets.

use std::path::PathBuf;

use super::Range;
use super::choices::Source;

settings! {
    ["data", "Data"]
    /// What is said about the data.
    layer DataLayer;
    /// `[data]`: the training and test sets, and what happens to them, in the order of the fields.
    section DataSection {
        /// Train on a built-in data set instead of on files
        source: Source = (required "give --inputs FILE --targets FILE, or choose --data mnist or --data synthetic"),
            ["data" "SET"], Range::ANY, Results;
        /// Folder with the four files of MNIST, or of a data set in the same four files (Fashion-MNIST, EMNIST),
        /// gzipped or not
        dir: PathBuf = (optional as "the copy of MNIST that comes with the program"),
            ["data-dir" "DIR"], Range::ANY, Place;
        /// Training samples, n x d: .npy or IDX, gzipped or not
        inputs: PathBuf = (optional), ["inputs" "FILE"], Range::ANY, Place;
        /// Training targets, in the same formats: one number a sample
        targets: PathBuf = (optional), ["targets" "FILE"], Range::ANY, Place;
        /// Test samples, in the same formats
        test_inputs: PathBuf = (optional), ["test-inputs" "FILE"], Range::ANY, Place;
        /// Test targets
        test_targets: PathBuf = (optional), ["test-targets" "FILE"], Range::ANY, Place;
        /// Number of synthetic samples
        samples: usize = (optional as "300"), ["samples" "N"], Range::AT_LEAST_ONE, Results;
        /// Width of a synthetic sample
        dim: usize = (optional as "100"), ["dim" "D"], Range::AT_LEAST_ONE, Results;
        /// Use only the first N training samples
        limit: usize = (optional), ["limit" "N"], Range::AT_LEAST_ONE, Results;
        /// Scale every sample to length 1, as the paper does
        normalize: bool = (default false), ["normalize" "BOOL"], Range::ANY, Results;
        /// Project to the first M principal directions of the training set
        pca: usize = (optional), ["pca" "M"],
            Range::new(
                |directions| directions >= 1.0,
                "must keep at least 1 direction; leave out {flag} to keep the samples as they are"
            ),
            Results;
        /// Add Gaussian noise of this standard deviation to the training samples
        noise: f64 = (default 0.0), ["noise" "SIGMA1"], Range::NOT_NEGATIVE, Results;
        /// Replace the targets by random digits from 0 to 9
        random_labels: bool = (default false), ["random-labels" "BOOL"], Range::ANY, Results;
    }
}

impl DataSection {
    /// The files that are read.
    pub fn files(&self) -> Vec<PathBuf> {
        let named = [&self.inputs, &self.targets, &self.test_inputs, &self.test_targets];
        let of_mnist = self.dir.iter().flat_map(|dir| memorize_data::mnist::files_in(dir));
        named.into_iter().flatten().cloned().chain(of_mnist).collect()
    }
}
