//! MNIST for a program that has it in it: 11 MB. `README.md` in this crate's folder says where the files are from and
//! under which licence they are.
#![forbid(unsafe_code)]

/// The official files, each compressed by gzip: training images and labels, then images and labels of the test set.
pub static FILES: [&[u8]; 4] = [
    include_bytes!("../files/train-images-idx3-ubyte.gz"),
    include_bytes!("../files/train-labels-idx1-ubyte.gz"),
    include_bytes!("../files/t10k-images-idx3-ubyte.gz"),
    include_bytes!("../files/t10k-labels-idx1-ubyte.gz"),
];
