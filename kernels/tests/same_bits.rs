//! The bits of a result do not depend on the number of threads, nor on where the rows come from.

use std::ops::Range;

use memorize_kernels::pass::{self, AdamStep, Backward, Batch, FusedStep, Rule, Weights};
use memorize_kernels::{Backend, Element, Engine, Isa, Mat, MatMut, MatRef, Par, Rows};

/// Large enough for several leaves of the reduction tree, odd on purpose.
const N: usize = 1803;
const D: usize = 61;
const R: usize = 130;

fn value<T: Element>(i: usize, j: usize) -> T {
    T::from_f64(((i * 7919 + j * 104_729) % 10_007) as f64 / 10_007.0 - 0.47)
}

/// Rows that are made when they are asked for, as a streamed data set's are.
struct Streamed;

impl<T: Element> Rows<T> for Streamed {
    fn rows(&self) -> usize {
        N
    }
    fn cols(&self) -> usize {
        D
    }
    fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<T>) -> MatRef<'a, T> {
        for (at, i) in range.clone().enumerate() {
            scratch.row_mut(at).iter_mut().enumerate().for_each(|(j, x)| *x = value(i, j));
        }
        scratch.as_ref().rows_range(0..range.len())
    }
    fn gather(&self, _: &[u32], _: MatMut<'_, T>) {
        unreachable!("full-batch passes do not gather")
    }
    fn needs_scratch(&self) -> bool {
        true
    }
}

/// Everything that the passes compute, as bit patterns (an f32 widens to f64 exactly).
fn results<T: Element, X: Rows<T>>(engine: &Engine, x: &X) -> Vec<u64> {
    let y: Vec<T> = (0..N).map(|i| value(i, 3)).collect();
    let a: Vec<T> = (0..R).map(|i| if i % 2 == 0 { T::ONE } else { -T::ONE }).collect();
    let w = Mat::<T>::from_fn(R, D, |i, j| value(j, i));
    let mut all = Vec::new();
    let mut keep = |values: &[T]| all.extend(values.iter().map(|v| v.to_f64().to_bits()));

    let s = pass::network_matrix(engine, w.as_ref(), &a).unwrap();
    let packed = engine.pack_symmetric(s.as_ref());
    let mut q = vec![T::ZERO; N];
    pass::quadratic_forms(engine, x, &packed, &mut q).unwrap();
    keep(&q);
    pass::outputs(engine, x, w.as_ref(), &a, &mut q).unwrap();
    keep(&q);
    keep(pass::weighted_gram(engine, x, &y).unwrap().padded());
    keep(&pass::transposed_times_vector(engine, x, &y).unwrap());
    pass::times_vector(engine, x, w.row(0), &mut q).unwrap();
    keep(&q);
    let gram = pass::loss_and_moment(engine, x, &y, &packed).unwrap();
    keep(gram.moment.padded());
    let mut g = Mat::zeros(R, D);
    pass::gradient_from_moment(engine, w.as_ref(), &a, gram.moment.as_ref(), T::ONE, g.as_mut()).unwrap();
    keep(g.padded());
    let neuron = pass::loss_and_gradient(engine, x, &y, w.as_ref(), &a, T::ONE).unwrap();
    keep(neuron.gradient.padded());

    let mut scratch = Mat::zeros(N, D);
    let block = x.block(0..N, &mut scratch);
    let mut z = Mat::zeros(N, R);
    pass::features(engine, block, &engine.pack_rows(w.as_ref()), 3, z.as_mut()).unwrap();
    keep(z.padded());
    let mut step = FusedStep::new(*engine, &Weights::new(w), &a, N).unwrap();
    let mut batch = Batch::new(engine, N, D);
    batch.fill(N, |mut out| (0..N).for_each(|j| out.row_mut(j).copy_from_slice(block.row(j))));
    step.forward(&batch, &mut q).unwrap();
    let rule = Rule::Adam(AdamStep::new(1, 0.01, 0.9, 0.999, 1e-8, 0.0));
    step.step(Backward { batch: &batch, delta: &y, rule }, Some(&batch), &mut q).unwrap();
    keep(&q);
    keep(step.weights().w.padded());
    all.extend([gram.squares.to_bits(), neuron.squares.to_bits()]);
    all
}

fn check<T: Element>() {
    let x = Mat::<T>::from_fn(N, D, value);
    let natives = Isa::available().into_iter().map(|isa| (isa, Backend::Native));
    let others = Backend::ALL.iter().filter(|&&backend| backend != Backend::Native);
    for (isa, backend) in natives.chain(others.map(|&backend| (Isa::best(), backend))) {
        let sequential = Engine { isa, backend, par: Par::Seq };
        let expected = results::<T, _>(&sequential, &x);
        assert_eq!(results::<T, _>(&sequential, &Streamed), expected, "{isa} {backend}: streamed rows");
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let engine = Engine { par: Par::Rayon, ..sequential };
            assert_eq!(pool.install(|| results::<T, _>(&engine, &x)), expected, "{isa} {backend}: {threads} threads");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits_f32() {
    check::<f32>();
}

#[test]
fn any_number_of_threads_gives_the_same_bits_f64() {
    check::<f64>();
}
