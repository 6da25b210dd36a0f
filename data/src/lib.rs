//! Sources of samples and targets (IDX, .npy, bundled MNIST, synthetic), and the stages that prepare them.
