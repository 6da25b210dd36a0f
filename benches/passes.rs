//! Throughput of each pass at the paper's shapes: `cargo bench --bench passes`, with a filter after `--`.
//!
//! Throughput is in flops that the pass needs (symmetry used), so that `Gelem/s` reads as GFLOP/s. The passes are
//! checked against the reference by the tests of `memorize-kernels`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use memorize_benches::{BATCH, FEATURES, MNIST, SYNTHETIC, Shape, matrix, signs};
use memorize_kernels::pass::{self, AdamStep, Backward, Batch, FusedStep, Rule, Weights};
use memorize_kernels::{Backend, Element, Engine, Mat};

fn engines() -> [Engine; 2] {
    Backend::ALL.map(|backend| Engine { backend, ..Engine::best() })
}

fn id<T: Element>(engine: &Engine, Shape { n, d, r }: Shape) -> BenchmarkId {
    BenchmarkId::new(format!("{}-{}-{}", engine.backend, engine.isa, T::NAME), format!("{n}x{d}x{r}"))
}

fn linear_maps<T: Element>(criterion: &mut Criterion) {
    let Shape { n, d, r } = MNIST;
    let (x, y, a, w) = (matrix::<T>(n, d), vec![T::ONE; n], signs::<T>(r), matrix::<T>(r, d));
    let flops = (n * d * d) as u64;
    for engine in engines() {
        let s = pass::network_matrix(&engine, w.as_ref(), &a).unwrap();
        let packed = engine.pack_symmetric(s.as_ref());
        let mut q = vec![T::ZERO; n];

        let mut group = criterion.benchmark_group("quadratic forms");
        group.sample_size(10).throughput(Throughput::Elements(flops));
        group.bench_function(id::<T>(&engine, MNIST), |b| {
            b.iter(|| pass::quadratic_forms(&engine, &x, &packed, &mut q).unwrap());
        });
        group.finish();

        let mut group = criterion.benchmark_group("weighted gram");
        group.sample_size(10).throughput(Throughput::Elements(flops));
        group.bench_function(id::<T>(&engine, MNIST), |b| {
            b.iter(|| pass::weighted_gram(&engine, &x, &y).unwrap());
        });
        group.finish();

        let mut group = criterion.benchmark_group("loss and gradient, gram route");
        group.sample_size(10).throughput(Throughput::Elements(2 * flops + (3 * d * d * r) as u64));
        group.bench_function(id::<T>(&engine, MNIST), |b| {
            b.iter(|| gram_gradient(&engine, &x, &y, &w, &a));
        });
        group.finish();
    }
}

fn gram_gradient<T: Element>(engine: &Engine, x: &Mat<T>, y: &[T], w: &Mat<T>, a: &[T]) -> Mat<T> {
    let s = pass::network_matrix(engine, w.as_ref(), a).unwrap();
    let out = pass::loss_and_moment(engine, x, y, &engine.pack_symmetric(s.as_ref())).unwrap();
    let mut gradient = Mat::zeros(w.rows(), w.cols());
    pass::gradient_from_moment(engine, w.as_ref(), a, out.moment.as_ref(), T::ZERO, gradient.as_mut()).unwrap();
    gradient
}

fn small_problem<T: Element>(criterion: &mut Criterion) {
    let Shape { n, d, r } = SYNTHETIC;
    let (x, y, a, w) = (matrix::<T>(n, d), vec![T::ONE; n], signs::<T>(r), matrix::<T>(r, d));
    let mut group = criterion.benchmark_group("loss and gradient, gram route, one thread");
    group.throughput(Throughput::Elements((2 * n * d * d + 3 * d * d * r) as u64));
    for engine in engines().map(|engine| Engine { par: memorize_kernels::Par::Seq, ..engine }) {
        group.bench_function(id::<T>(&engine, SYNTHETIC), |b| b.iter(|| gram_gradient(&engine, &x, &y, &w, &a)));
    }
    group.finish();
}

fn random_features<T: Element>(criterion: &mut Criterion) {
    let Shape { n, d, r } = FEATURES;
    let (x, weights, mut z) = (matrix::<T>(n, d), matrix::<T>(r, d), Mat::zeros(n, r));
    let mut group = criterion.benchmark_group("features, p = 2");
    group.sample_size(20).throughput(Throughput::Elements((2 * n * d * r) as u64));
    for engine in engines() {
        let packed = engine.pack_rows(weights.as_ref());
        group.bench_function(id::<T>(&engine, FEATURES), |b| {
            b.iter(|| pass::features(&engine, x.as_ref(), &packed, 2, z.as_mut()).unwrap());
        });
    }
    group.finish();
}

fn adam_step<T: Element>(criterion: &mut Criterion) {
    let Shape { n, d, r } = BATCH;
    let (x, a, delta) = (matrix::<T>(n, d), signs::<T>(r), vec![T::from_f64(1e-3); n]);
    let rule = Rule::Adam(AdamStep::new(10, 1e-3, 0.9, 0.999, 1e-8, 0.0));
    let mut q = vec![T::ZERO; n];
    let mut group = criterion.benchmark_group("fused Adam step");
    group.sample_size(100).throughput(Throughput::Elements((4 * n * d * r) as u64));
    for engine in engines() {
        let mut step = FusedStep::new(engine, &Weights::new(matrix::<T>(r, d)), &a, n).unwrap();
        let mut batch = Batch::new(&engine, n, d);
        batch.fill(n, |mut out| (0..n).for_each(|j| out.row_mut(j).copy_from_slice(x.row(j))));
        step.forward(&batch, &mut q).unwrap();
        group.bench_function(id::<T>(&engine, BATCH), |b| {
            let primed = Backward { batch: &batch, delta: &delta, rule };
            b.iter(|| step.step(primed, Some(&batch), &mut q).unwrap());
        });
    }
    group.finish();
}

criterion_group!(
    benches,
    adam_step::<f32>,
    adam_step::<f64>,
    random_features::<f32>,
    random_features::<f64>,
    small_problem::<f32>,
    small_problem::<f64>,
    linear_maps::<f32>,
    linear_maps::<f64>
);
criterion_main!(benches);
