//! The bits of a result do not depend on the number of threads, nor on where the rows come from.

use std::ops::Range;

use memorize_kernels::block::WINDOW_ROWS;
use memorize_kernels::parallel::threads_at_work;
use memorize_kernels::pass::{self, AdamStep, Backward, Batch, FusedStep, Rule, Weights};
use memorize_kernels::{Backend, Element, Engine, Isa, Mat, MatRef, Par, Rows};
use rayon::ThreadPoolBuilder;

/// Three leaves of the reduction tree, odd on purpose.
const N: usize = 1101;
const D: usize = 37;
/// More than the plain backends give to a thread, and no multiple of a panel.
const R: usize = 270;

/// How often a machine may be too busy to wake a second thread.
const TRIES: usize = 50;

fn value<T: Element>(i: usize, j: usize) -> T {
    T::from_f64(((i * 7919 + j * 104_729) % 10_007) as f64 / 10_007.0 - 0.47)
}

/// So many rows and columns that are made when they are asked for, as a streamed data set's are.
struct Streamed(usize, usize);

impl<T: Element> Rows<T> for Streamed {
    fn rows(&self) -> usize {
        self.0
    }
    fn cols(&self) -> usize {
        self.1
    }
    fn block<'a>(&'a self, range: Range<usize>, scratch: &'a mut Mat<T>) -> MatRef<'a, T> {
        for (at, i) in range.clone().enumerate() {
            scratch.row_mut(at).iter_mut().enumerate().for_each(|(j, x)| *x = value(i, j));
        }
        scratch.as_ref().rows_range(0..range.len())
    }
    fn needs_scratch(&self) -> bool {
        true
    }
}

/// Network, residuals and a start, the same for every pass.
struct Problem<T: Element> {
    y: Vec<T>,
    a: Vec<T>,
    w: Mat<T>,
}

impl<T: Element> Problem<T> {
    fn new() -> Self {
        let a = (0..R).map(|i| if i % 2 == 0 { T::ONE } else { -T::ONE }).collect();
        Self { y: (0..N).map(|i| value(i, 3)).collect(), a, w: Mat::from_fn(R, D, |i, j| value(j, i)) }
    }

    fn s(&self) -> Mat<T> {
        let alone = Engine { par: Par::Seq, ..Engine::best() };
        pass::network_matrix(&alone, self.w.as_ref(), &self.a).unwrap()
    }
}

/// A network of as many neurons as there are samples, with any signs: those of the problem are one leaf.
fn many_neurons<T: Element>(problem: &Problem<T>) -> (Mat<T>, &[T]) {
    (Mat::from_fn(N, D, value), &problem.y)
}

/// What a pass computes of a problem and rows, as bit patterns (an f32 widens to f64 exactly).
type Pass<T> = fn(&Engine, &dyn Rows<T>, &Problem<T>) -> Vec<u64>;

fn bits<T: Element>(values: &[T]) -> Vec<u64> {
    values.iter().map(|v| v.to_f64().to_bits()).collect()
}

/// Every pass, by its name.
fn passes<T: Element>() -> [(&'static str, Pass<T>); 12] {
    [
        ("network_matrix", |engine, _, problem| {
            let (w, a) = many_neurons(problem);
            bits(pass::network_matrix(engine, w.as_ref(), a).unwrap().padded())
        }),
        ("quadratic_forms", |engine, x, problem| {
            let mut q = vec![T::ZERO; N];
            pass::quadratic_forms(engine, &x, &engine.pack_symmetric(problem.s().as_ref()).unwrap(), &mut q).unwrap();
            bits(&q)
        }),
        ("outputs", |engine, x, problem| {
            let mut q = vec![T::ZERO; N];
            pass::outputs(engine, &x, problem.w.as_ref(), &problem.a, &mut q).unwrap();
            bits(&q)
        }),
        ("weighted_gram", |engine, x, problem| bits(pass::weighted_gram(engine, &x, &problem.y).unwrap().padded())),
        ("times_vector", |engine, x, problem| {
            let mut q = vec![T::ZERO; N];
            pass::times_vector(engine, &x, problem.w.row(0), &mut q).unwrap();
            bits(&q)
        }),
        ("transposed_times_vector", |engine, x, problem| {
            bits(&pass::transposed_times_vector(engine, &x, &problem.y).unwrap())
        }),
        ("loss_and_moment", |engine, x, problem| {
            let s = engine.pack_symmetric(problem.s().as_ref()).unwrap();
            let found = pass::loss_and_moment(engine, &x, &problem.y, &s).unwrap();
            [vec![found.squares.to_bits()], bits(found.moment.matrix().padded())].concat()
        }),
        ("gradient_from_moment", |engine, _, problem| {
            let ((w, a), mut g) = (many_neurons(problem), Mat::zeros(N, D));
            let m = problem.s();
            pass::gradient_from_moment(engine, w.as_ref(), a, m.as_ref(), T::ONE, g.as_mut()).unwrap();
            bits(g.padded())
        }),
        ("loss_and_gradient", |engine, x, problem| {
            let (w, a) = (problem.w.as_ref(), &problem.a);
            let found = pass::loss_and_gradient(engine, &x, &problem.y, w, a, T::ONE).unwrap();
            [vec![found.squares.to_bits()], bits(found.gradient.padded())].concat()
        }),
        ("features", |engine, x, problem| {
            let (mut scratch, mut z) = (Mat::zeros(N, D), Mat::zeros(N, R));
            let r = engine.pack_rows(problem.w.as_ref());
            pass::features(engine, x.block(0..N, &mut scratch), &r, 3, z.as_mut()).unwrap();
            bits(z.padded())
        }),
        ("fused_step", |engine, x, problem| {
            let (mut scratch, mut q) = (Mat::zeros(N, D), vec![T::ZERO; N]);
            let block = x.block(0..N, &mut scratch);
            let mut step = FusedStep::new(*engine, &Weights::new(problem.w.clone()), &problem.a, N).unwrap();
            let mut batch = Batch::new(engine, N, D);
            batch.fill(N, |mut out| (0..N).for_each(|j| out.row_mut(j).copy_from_slice(block.row(j)))).unwrap();
            let primed = step.forward(&batch, &mut q).unwrap();
            let rule = Rule::Adam(AdamStep::new(1, 0.01, 0.9, 0.999, 1e-8, 0.0));
            let backward = Backward { batch: &batch, delta: &problem.y, rule };
            step.step(primed, backward, Some(&batch), &mut q).unwrap();
            assert!(step.is_finite());
            [bits(&q), bits(step.weights().w.padded())].concat()
        }),
        ("update", |engine, _, problem| {
            let [mut w, mut first, mut second] = [problem.w.clone(), Mat::zeros(R, D), Mat::zeros(R, D)];
            let rule = Rule::Adam(AdamStep::new(1, 0.01, 0.9, 0.999, 1e-8, 0.1));
            let g = problem.w.padded();
            pass::update(engine, rule, w.padded_mut(), first.padded_mut(), second.padded_mut(), g).unwrap();
            [w, first, second].iter().flat_map(|mat| bits(mat.padded())).collect()
        }),
    ]
}

fn check<T: Element>() {
    let x = Mat::<T>::from_fn(N, D, value);
    let problem = Problem::<T>::new();
    let natives = Isa::available().into_iter().map(|isa| (isa, Backend::Native));
    let others = Backend::ALL.iter().filter(|&&backend| backend != Backend::Native);
    for (isa, backend) in natives.chain(others.map(|&backend| (Isa::best(), backend))) {
        let alone = Engine { isa, backend, par: Par::Seq };
        let together = Engine { par: Par::ALWAYS, ..alone };
        let expected = passes().map(|(_, pass)| pass(&alone, &x, &problem));
        for threads in [1, 2, 3, 5, 8, 16] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for ((name, pass), expected) in passes().into_iter().zip(&expected) {
                let what = format!("{name}, {isa} {backend}, {threads} threads");
                let in_memory = || assert_eq!(&pass(&together, &x, &problem), expected, "{what}");
                let is_shared = (0..TRIES).any(|_| threads_at_work(&pool, in_memory) >= threads.min(2));
                assert!(is_shared, "{what}: one thread did it all");
                pool.install(|| assert_eq!(&pass(&together, &Streamed(N, D), &problem), expected, "{what}: streamed"));
            }
        }
    }
}

/// Where threads share a leaf, they go through it window by window.
#[test]
fn leaves_of_several_windows_have_the_same_bits() {
    // More columns than a thread takes at a time.
    let (n, d) = (20 * WINDOW_ROWS, 150);
    let (x, y) = (Mat::<f32>::from_fn(n, d, value), (0..n).map(|i| value(i, 3)).collect::<Vec<_>>());
    let moment = |engine: Engine, x: &dyn Rows<f32>| {
        let s = pass::weighted_gram(&engine, &x, &y).unwrap();
        let found = pass::loss_and_moment(&engine, &x, &y, &engine.pack_symmetric(s.as_ref()).unwrap()).unwrap();
        let along = pass::transposed_times_vector(&engine, &x, &y).unwrap();
        [vec![found.squares.to_bits()], bits(s.padded()), bits(found.moment.matrix().padded()), bits(&along)].concat()
    };
    for &backend in Backend::ALL {
        let alone = Engine { backend, par: Par::Seq, ..Engine::best() };
        let expected = moment(alone, &x);
        for threads in [5, 16, 40] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let together = Engine { par: Par::ALWAYS, ..alone };
            for rows in [&x as &dyn Rows<f32>, &Streamed(n, d)] {
                assert!(pool.install(|| moment(together, rows)) == expected, "{backend}, {threads} threads");
            }
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
