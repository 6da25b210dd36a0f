//! Every pass against the naive f64 loops: odd shapes, both element types, every instruction set, every backend.
//!
//! Error scale: a sum of `length` products whose absolute values add up to `magnitude` is off by at most about
//! `length` x epsilon x magnitude; the tests allow [`SLACK`] times that. Magnitudes come from the reference run on
//! absolute values.

use std::ops::Range;

use memorize_kernels::pass::{self, AdamStep, Backward, Batch, FusedStep, Memory, Primed, Rule, Weights};
use memorize_kernels::reference::{self as naive, Dense};
use memorize_kernels::{Backend, Element, Engine, Isa, KernelError, Mat, Par};
use proptest::prelude::*;

const SLACK: f64 = 4.0;

/// Every engine that this machine can run.
fn engines() -> Vec<Engine> {
    let natives = Isa::available().into_iter().map(|isa| (isa, Backend::Native));
    let others = Backend::ALL.iter().filter(|&&backend| backend != Backend::Native);
    let all = natives.chain(others.map(|&backend| (Isa::best(), backend)));
    all.map(|(isa, backend)| Engine { isa, backend, par: Par::Seq }).collect()
}

/// Values in [-1, 1] that an f32 holds exactly, from a 64-bit mixer of (seed, i, j).
fn values(seed: u64, rows: usize, cols: usize) -> Dense {
    Dense::from_fn(rows, cols, |i, j| {
        let mut h = seed ^ (i as u64) << 32 ^ j as u64;
        for _ in 0..2 {
            h = (h ^ h >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        ((h >> 44) as f64 / 524_288.0) - 1.0
    })
}

fn absolute(m: &Dense) -> Dense {
    Dense { data: m.data.iter().map(|v| v.abs()).collect(), ..*m }
}

fn mat<T: Element>(m: &Dense) -> Mat<T> {
    Mat::from_fn(m.rows, m.cols, |i, j| T::from_f64(m.at(i, j)))
}

fn batch<T: Element>(engine: &Engine, m: &Dense) -> Batch<T> {
    let mut batch = Batch::new(engine, m.rows, m.cols);
    let rows = mat::<T>(m);
    batch.fill(m.rows, |mut out| (0..m.rows).for_each(|j| out.row_mut(j).copy_from_slice(rows.row(j)))).unwrap();
    batch
}

fn vec<T: Element>(v: &[f64]) -> Vec<T> {
    v.iter().map(|&v| T::from_f64(v)).collect()
}

fn signs(r: usize) -> Vec<f64> {
    (0..r).map(|i| if i < r / 2 { 1.0 } else { -1.0 }).collect()
}

fn symmetric(seed: u64, d: usize) -> Dense {
    let m = values(seed, d, d);
    Dense::from_fn(d, d, |i, j| m.at(i.min(j), i.max(j)))
}

fn transposed(m: &Dense) -> Dense {
    Dense::from_fn(m.cols, m.rows, |i, j| m.at(j, i))
}

/// Compares element by element with the error scale of the module's comment.
fn assert_close<'a, T: Element>(
    what: &str,
    engine: &Engine,
    got: impl IntoIterator<Item = &'a T>,
    expected: &[f64],
    magnitude: &[f64],
    length: usize,
) {
    let got: Vec<f64> = got.into_iter().map(|v| v.to_f64()).collect();
    assert_eq!(got.len(), expected.len(), "{what}");
    for i in 0..got.len() {
        let bound = SLACK * length as f64 * T::EPSILON * magnitude[i] + f64::MIN_POSITIVE;
        let error = (got[i] - expected[i]).abs();
        assert!(error <= bound, "{what}[{i}] {} {engine:?}: {} against {}", T::NAME, got[i], expected[i]);
    }
}

fn check_linear_maps<T: Element>(n: usize, d: usize, seed: u64) {
    let (x, s, v) = (values(seed, n, d), symmetric(seed + 1, d), values(seed + 2, n, 1).data);
    let forms = naive::quadratic_forms(&x, &s);
    let forms_scale = naive::quadratic_forms(&absolute(&x), &absolute(&s));
    let gram = naive::weighted_gram(&x, &v);
    let magnitudes: Vec<f64> = v.iter().map(|v| v.abs()).collect();
    let gram_scale = naive::weighted_gram(&absolute(&x), &magnitudes);
    let coordinates = &s.data[..d];
    let products = naive::times_vector(&x, coordinates);
    let products_scale = naive::times_vector(&absolute(&x), &absolute(&s).data[..d]);
    let sum = naive::transposed_times_vector(&x, &v);
    let sum_scale = naive::transposed_times_vector(&absolute(&x), &magnitudes);
    for engine in engines() {
        let x = mat::<T>(&x);
        let mut q = vec![T::ONE; n];
        pass::quadratic_forms(&engine, &x, &engine.pack_symmetric(mat::<T>(&s).as_ref()).unwrap(), &mut q).unwrap();
        assert_close("q", &engine, &q, &forms, &forms_scale, 2 * d + 2);
        let m = pass::weighted_gram(&engine, &x, &vec::<T>(&v)).unwrap();
        assert_close("M", &engine, m.iter(), &gram.data, &gram_scale.data, n + 2);
        pass::times_vector(&engine, &x, &vec::<T>(coordinates), &mut q).unwrap();
        assert_close("X s", &engine, &q, &products, &products_scale, d + 2);
        let found = pass::transposed_times_vector(&engine, &x, &vec::<T>(&v)).unwrap();
        assert_close("X^T v", &engine, &found, &sum, &sum_scale, n + 2);
    }
}

fn check_features<T: Element>(n: usize, d: usize, k: usize, p: u32, seed: u64) {
    let (x, r) = (values(seed, n, d), values(seed + 1, k, d));
    let z = naive::features(&x, &r, p);
    let scale = naive::features(&absolute(&x), &absolute(&r), p);
    for engine in engines() {
        let packed = engine.pack_rows(mat::<T>(&r).as_ref());
        let mut out = Mat::zeros(n, k);
        pass::features(&engine, mat::<T>(&x).as_ref(), &packed, p, out.as_mut()).unwrap();
        assert_close("z", &engine, out.iter(), &z.data, &scale.data, p as usize * (d + 2));
        assert!(out.padded().len() == n * out.as_ref().stride() && padding_is_zero(&out), "padding was written to");
    }
}

fn padding_is_zero<T: Element>(m: &Mat<T>) -> bool {
    let stride = m.as_ref().stride().max(1);
    m.padded().chunks(stride).all(|row| row[m.cols()..].iter().all(|&v| v == T::ZERO))
}

fn check_gradient_routes<T: Element>(n: usize, d: usize, r: usize, gamma: f64, seed: u64) {
    let (x, w, y) = (values(seed, n, d), values(seed + 1, d, r), values(seed + 2, n, 1).data);
    let (a, gamma_t) = (signs(r), T::from_f64(gamma));
    let delta = naive::residuals(&x, &y, &w, &a);
    let squares: f64 = delta.iter().map(|delta| delta * delta).sum();
    let g = transposed(&naive::gradient(&x, &y, &w, &a, gamma));
    // Magnitudes: all signs positive, all values absolute.
    let (x_abs, w_abs, ones) = (absolute(&x), absolute(&w), vec![1.0; r]);
    let minus_y: Vec<f64> = y.iter().map(|y| -y.abs()).collect();
    let delta_scale = naive::residuals(&x_abs, &minus_y, &w_abs, &ones);
    let squares_scale: f64 = delta_scale.iter().map(|delta| delta * delta).sum();
    let g_scale = transposed(&naive::gradient(&x_abs, &minus_y, &w_abs, &ones, gamma));
    let length = 2 * d + r + n + 8;
    for engine in engines() {
        let (x, y, a) = (mat::<T>(&x), vec::<T>(&y), vec::<T>(&a));
        let w = mat::<T>(&transposed(&w));
        let s = pass::network_matrix(&engine, w.as_ref(), &a).unwrap();
        let gram = pass::loss_and_moment(&engine, &x, &y, &engine.pack_symmetric(s.as_ref()).unwrap()).unwrap();
        let mut gradient = Mat::zeros(r, d);
        let m = gram.moment.matrix();
        pass::gradient_from_moment(&engine, w.as_ref(), &a, m.as_ref(), gamma_t, gradient.as_mut()).unwrap();
        let (mut of_sums, mut q) = (Mat::zeros(r, d), [vec![T::ZERO; n], vec![T::ZERO; n]]);
        pass::gradient_of_moment(&engine, w.as_ref(), &a, &gram.moment, gamma_t, of_sums.as_mut()).unwrap();
        assert_eq!(of_sums.padded(), gradient.padded(), "M as it was summed up is M");
        let forms = [engine.pack_symmetric(s.as_ref()), pass::network_forms(&engine, w.as_ref(), &a)];
        for (q, s) in q.iter_mut().zip(forms) {
            pass::quadratic_forms(&engine, &x, &s.unwrap(), q).unwrap();
        }
        assert_eq!(q[0], q[1], "S as it was summed up is S");
        let scale = |values: &Dense| values.data.clone();
        assert_close("gram route g", &engine, gradient.iter(), &g.data, &scale(&g_scale), length);
        let bound = SLACK * 2.0 * length as f64 * T::EPSILON * squares_scale;
        assert!((gram.squares - squares).abs() <= bound, "gram route loss {engine:?}");

        let neuron = pass::loss_and_gradient(&engine, &x, &y, w.as_ref(), &a, gamma_t).unwrap();
        assert_close("neuron route g", &engine, neuron.gradient.iter(), &g.data, &scale(&g_scale), length);
        assert!((neuron.squares - squares).abs() <= bound, "neuron route loss {engine:?}");
    }
}

fn check_fused_adam<T: Element>(b: usize, d: usize, r: usize, seed: u64) {
    let (lr, beta1, beta2, eps) = (0.01, 0.9, 0.99, 1e-3);
    let (mut w, a) = (values(seed, d, r), signs(r));
    let batches: Vec<Dense> = (1..4).map(|i| values(seed + i, b, d)).collect();
    let y = values(seed + 9, b, 1).data;
    let start = mat::<T>(&transposed(&w));
    let (mut m, mut v) = (vec![0.0; w.data.len()], vec![0.0; w.data.len()]);
    for (t, x) in batches.iter().enumerate() {
        let g = naive::gradient(x, &y, &w, &a, 0.0);
        naive::adam(&mut w.data, &mut m, &mut v, &g.data, t as i32 + 1, lr, beta1, beta2, eps);
    }
    let expected = transposed(&w);
    for engine in engines() {
        let batches: Vec<Batch<T>> = batches.iter().map(|x| batch(&engine, x)).collect();
        let (a, mut q) = (vec::<T>(&a), vec![T::ZERO; b]);
        let mut step = FusedStep::new(engine, &Weights::new(start.clone()), &a, b).unwrap();
        let mut primed = Some(step.forward(&batches[0], &mut q).unwrap());
        for t in 0..batches.len() {
            let delta: Vec<T> =
                q.iter().zip(&y).map(|(&q, &y)| (q - T::from_f64(y)) * T::from_f64(1.0 / b as f64)).collect();
            let rule = Rule::Adam(AdamStep::new(t as u64 + 1, lr, beta1, beta2, eps, 0.0));
            let backward = Backward { batch: &batches[t], delta: &delta, rule };
            let next = batches.get(t + 1);
            let q = if next.is_some() { &mut q[..] } else { &mut [] };
            primed = step.step(primed.unwrap(), backward, next, q).unwrap();
        }
        // An update moves a weight by at most about lr a step whatever the gradient's size, but where g is near eps its
        // relative error reaches the weight: scale by the sum of the magnitudes that g is made of, over eps.
        let scale = 3.0 * lr / eps * (d * r) as f64;
        let tolerance = T::EPSILON * (SLACK + scale * (b + 2 * d + r) as f64);
        for (got, expected) in step.weights().w.iter().zip(&expected.data) {
            assert!((got.to_f64() - expected).abs() <= tolerance.min(1e-3), "{engine:?}: {got} against {expected}");
        }
    }
}

fn check_moments_end_in_zero<T: Element>(least: T, half: T) {
    // The least normal numbers, of either sign, which a step halves; one of twice as much; one gradient, a subnormal.
    let rule = Rule::Adam(AdamStep::new(10, 0.1, 0.5, 0.5, 1e-8, 0.0));
    for engine in engines() {
        let [mut w, mut first, mut second] = [vec![T::ONE; 37], vec![least; 37], vec![least; 37]];
        first[5] = -least;
        (first[20], second[20]) = (least + least, least + least);
        let mut g = vec![T::ZERO; 37];
        g[30] = half;
        pass::update(&engine, rule, &mut w, &mut first, &mut second, &g).unwrap();
        for i in 0..37 {
            // The gradient's square is zero.
            let kept = [(i == 20 || i == 30, first[i]), (i == 20, second[i])];
            assert!(kept.iter().all(|&(kept, moment)| moment == if kept { least } else { T::ZERO }), "{engine:?}: {i}");
        }
        assert!(w.iter().all(|w| *w <= T::ONE && w.is_finite()), "{engine:?}");
    }
}

#[test]
fn moments_end_in_zero_and_not_among_subnormal_numbers() {
    check_moments_end_in_zero(f32::MIN_POSITIVE, f32::MIN_POSITIVE / 2.0);
    check_moments_end_in_zero(f64::MIN_POSITIVE, f64::MIN_POSITIVE / 2.0);
}

/// Cases of each property. Miri, which takes a thousand times as long, sees one, and small sizes.
const CASES: u32 = if cfg!(miri) { 1 } else { 24 };

/// Sizes from 1 that are below `end`.
fn below(end: usize) -> Range<usize> {
    1..if cfg!(miri) { end.min(20) } else { end }
}

/// Lengths around the tiles (4, 8), the registers (2 to 16), the panels (8 to 48) and the row block (128).
fn lengths() -> BoxedStrategy<usize> {
    if cfg!(miri) {
        return below(20).boxed();
    }
    prop_oneof![
        1..20usize,
        Just(23),
        Just(24),
        Just(25),
        Just(47),
        Just(48),
        Just(49),
        Just(63),
        Just(65),
        Just(97),
        Just(127),
        Just(128),
        Just(129)
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn linear_maps(n in lengths(), d in lengths(), seed in 0u64..1000) {
        check_linear_maps::<f32>(n, d, seed);
        check_linear_maps::<f64>(n, d, seed);
    }

    #[test]
    fn random_features(n in lengths(), d in lengths(), k in lengths(), p in 1u32..6, seed in 0u64..1000) {
        check_features::<f32>(n, d, k, p, seed);
        check_features::<f64>(n, d, k, p, seed);
    }

    #[test]
    fn gradient_routes(n in lengths(), d in below(50), half in below(40), seed in 0u64..1000) {
        for gamma in [0.0, 0.25] {
            check_gradient_routes::<f32>(n, d, 2 * half, gamma, seed);
            check_gradient_routes::<f64>(n, d, 2 * half, gamma, seed);
        }
    }

    #[test]
    fn fused_adam(b in below(40), d in below(30), half in below(30), seed in 0u64..1000) {
        check_fused_adam::<f32>(b, d, 2 * half, seed);
        check_fused_adam::<f64>(b, d, 2 * half, seed);
    }
}

#[test]
fn empty_sets_are_fine() {
    check_linear_maps::<f32>(0, 5, 1);
    check_linear_maps::<f64>(0, 5, 1);
    check_features::<f32>(0, 3, 4, 2, 1);
}

#[test]
fn operands_of_another_engine_are_refused() {
    let x = mat::<f32>(&values(1, 5, 4));
    let all = engines();
    for (mine, other) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))).filter(|(a, b)| a != b) {
        let (s, r) = (other.pack_symmetric(Mat::<f32>::zeros(4, 4).as_ref()).unwrap(), other.pack_rows(x.as_ref()));
        assert!(pass::quadratic_forms(mine, &x, &s, &mut [0.0; 5]).is_err());
        assert!(pass::loss_and_moment(mine, &x, &[0.0; 5], &s).is_err());
        assert!(pass::features(mine, x.as_ref(), &r, 2, Mat::zeros(5, 5).as_mut()).is_err());
        let mut step = FusedStep::new(*mine, &Weights::new(Mat::<f32>::zeros(2, 4)), &[1.0, -1.0], 5).unwrap();
        let error = step.forward(&batch(other, &values(1, 5, 4)), &mut [0.0; 5]).unwrap_err();
        assert!(error.to_string().contains("was prepared for"), "{error}");
    }
}

#[test]
fn shapes_that_do_not_go_together_are_refused() {
    let engine = Engine::best();
    let (x, s) = (Mat::<f32>::zeros(5, 3), Mat::<f32>::zeros(4, 4));
    let packed = engine.pack_symmetric(s.as_ref()).unwrap();
    let error = pass::quadratic_forms(&engine, &x, &packed, &mut [0.0; 5]).unwrap_err();
    assert_eq!(error.to_string(), "width of the samples and of S: expected 4, got 3");
    assert!(pass::weighted_gram(&engine, &x, &[0.0; 4]).is_err());
    assert!(pass::times_vector(&engine, &x, &[0.0; 4], &mut [0.0; 5]).is_err());
    assert!(pass::times_vector(&engine, &x, &[0.0; 3], &mut [0.0; 4]).is_err());
    assert!(pass::transposed_times_vector(&engine, &x, &[0.0; 4]).is_err());
    let w = Mat::<f32>::zeros(2, 3);
    assert!(pass::loss_and_gradient(&engine, &x, &[0.0; 4], w.as_ref(), &[1.0, -1.0], 0.0).is_err());
    assert!(FusedStep::new(engine, &Weights::new(w.clone()), &[1.0], 8).is_err());
    let memories = |rows: [usize; 2]| {
        let [first, second] = rows.map(|rows| Mat::zeros(rows, 3));
        FusedStep::new(engine, &Weights { w: w.clone(), first, second }, &[1.0, -1.0], 8)
    };
    assert!([[2, 2], [2, 0], [0, 0]].into_iter().all(|rows| memories(rows).is_ok()));
    assert!([[0, 2], [1, 2], [2, 1], [3, 3]].into_iter().all(|rows| memories(rows).is_err()));
    assert!(engine.pack_symmetric(x.as_ref()).is_err());
    assert!(Batch::<f32>::new(&engine, 4, 3).fill(5, |_| unreachable!()).is_err());
    let descend = |lengths: [usize; 4]| {
        let [mut w, mut first, mut second, g] = lengths.map(|length| vec![1.0_f32; length]);
        pass::update(&engine, Rule::Accumulate, &mut w, &mut first, &mut second, &g)
    };
    assert!(descend([3; 4]).is_ok());
    assert!((0..4).all(|at| descend(std::array::from_fn(|i| if i == at { 2 } else { 3 })).is_err()));
}

#[test]
fn a_rule_asks_for_the_memory_that_it_keeps_and_no_more() {
    let (x, w, g) = (values(1, 5, 4), mat::<f32>(&values(2, 34, 4)), vec![0.25_f32; 136]);
    let signs: Vec<f32> = (0..34).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let adam = Rule::Adam(AdamStep::new(1, 0.1, 0.9, 0.999, 1e-8, 0.0));
    let rules = [Rule::Descend { rate: 0.5, gamma: 0.1 }, Rule::Accumulate, adam];
    let memories = [Memory::Nothing, Memory::First, Memory::Both];
    for engine in engines() {
        let stepped = |rule: Rule<f32>, memory: Memory| {
            let mut step = FusedStep::new(engine, &Weights::keeping(memory, w.clone()), &signs, 5).unwrap();
            let (batch, mut q) = (batch(&engine, &x), [0.0; 5]);
            let primed = step.forward(&batch, &mut q).unwrap();
            let backward = Backward { batch: &batch, delta: &[0.5, -1.0, 0.0, 2.0, 1.0], rule };
            step.step(primed, backward, Some(&batch), &mut q)?;
            Ok::<_, KernelError>((step.weights(), q))
        };
        for (rule, memory) in rules.iter().flat_map(|rule| memories.map(|memory| (*rule, memory))) {
            assert_eq!(stepped(rule, memory).is_ok(), memory >= rule.memory(), "{engine:?} {rule:?} {memory:?}");
            let rows = |least| if memory >= least { 34 } else { 0 };
            if let Ok((found, q)) = stepped(rule, memory) {
                assert_eq!((found.first.rows(), found.second.rows()), (rows(Memory::First), rows(Memory::Both)));
                let (full, outputs) = stepped(rule, Memory::Both).unwrap();
                let same = |own: &Mat<f32>, all: &Mat<f32>| own.rows() == 0 || own.iter().eq(all.iter());
                assert!(same(&found.w, &full.w) && same(&found.first, &full.first) && q == outputs);
            }
            let lengths = [Memory::First, Memory::Both].map(|least| if memory >= least { 136 } else { 0 });
            let [mut first, mut second] = lengths.map(|length| vec![0.0; length]);
            let mut own: Vec<f32> = w.iter().copied().collect();
            let updated = pass::update(&engine, rule, &mut own, &mut first, &mut second, &g);
            assert_eq!(updated.is_ok(), memory >= rule.memory(), "{engine:?} {rule:?} {memory:?}");
        }
    }
}

#[test]
fn a_step_follows_the_last_forward_pass_on_the_samples_that_it_was_over() {
    let x = values(1, 5, 4);
    for engine in engines() {
        let weights = Weights::new(mat::<f32>(&values(2, 2, 4)));
        let network = || FusedStep::new(engine, &weights, &[1.0, -1.0], 5).unwrap();
        let (mut step, mut other, mut q) = (network(), network(), [0.0; 5]);
        let (mut first, second) = (batch::<f32>(&engine, &x), batch(&engine, &x));
        let (earlier, last) = (step.forward(&first, &mut q).unwrap(), step.forward(&second, &mut q).unwrap());
        let elsewhere = other.forward(&first, &mut q).unwrap();
        let mut on = |primed: Primed, batch: &Batch<f32>| {
            let backward = Backward { batch, delta: &[1.0; 5], rule: Rule::Accumulate };
            step.step(primed, backward, Some(&second), &mut q).map(Option::unwrap)
        };
        let is_refused = |stepped| matches!(stepped, Err(KernelError::OtherForward { .. }));
        assert!(is_refused(on(elsewhere, &first)));
        assert!(is_refused(on(earlier, &first)));
        // A copy is the same samples; another batch is not, with the same numbers, either.
        let next = on(last, &second.clone()).unwrap();
        let next = on(next, &second).unwrap();
        assert!(is_refused(on(next, &first)));
        // The same buffer with other samples than it had.
        let primed = step.forward(&first, &mut q).unwrap();
        first.fill(5, |mut out| out.fill(1.0)).unwrap();
        let backward = Backward { batch: &first, delta: &[1.0; 5], rule: Rule::Accumulate };
        assert!(is_refused(step.step(primed, backward, None, &mut []).map(Option::unwrap)));
    }
}
