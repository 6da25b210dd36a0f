use super::*;

fn diagonal(values: &[f64]) -> impl Fn(&[f64]) -> Result<Vec<f64>, TrainError> {
    move |v: &[f64]| Ok(v.iter().zip(values).map(|(v, value)| v * value).collect())
}

fn options() -> DavidsonOptions {
    DavidsonOptions {
        tolerance: 1e-6,
        largest: f64::INFINITY,
        max_products: 2000,
        resolution: 1e-13,
        seed: 0,
        basis_bytes: 1 << 29,
    }
}

/// A few large eigenvalues that the preconditioner knows and 2,000 small ones, from 0.1 to 1, that it takes for one.
fn problem() -> (Vec<f64>, Vec<f64>) {
    let n = 2000;
    let values: Vec<f64> = (0..n)
        .map(|i| if i % 40 == 0 { 1e4 + i as f64 } else { 0.1 + 0.9 * ((i * 7) % n) as f64 / n as f64 })
        .collect();
    let inverse = values.iter().map(|&value| if value > 1.0 { value.recip() } else { 2.0 }).collect();
    (values, inverse)
}

#[test]
fn finds_the_smallest_eigenvalue_through_restarts() {
    let (values, inverse) = problem();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let (found, stop) =
        smallest_eigenpair(diagonal(&values), diagonal(&inverse), values.len(), &options(), |_| true).unwrap();
    assert_eq!(stop, Stop::Converged);
    assert!(found.converged && found.products > BASIS, "no restart in {} products", found.products);
    assert!(found.value >= least - 1e-12 && found.value - least <= found.residual, "{}", found.value);
    assert!(found.residual <= 1.01e-6 * found.value, "{}", found.residual);
}

#[test]
fn the_preconditioner_is_what_gets_there() {
    let (values, inverse) = problem();
    let run = |inverse: &[f64]| {
        let options = DavidsonOptions { tolerance: 1e-2, ..options() };
        let (found, stop) =
            smallest_eigenpair(diagonal(&values), diagonal(inverse), values.len(), &options, |_| true).unwrap();
        assert_eq!(stop, Stop::Converged);
        found.products
    };
    let (with, without) = (run(&inverse), run(&vec![1.0; values.len()]));
    assert!(4 * with < 3 * without, "{with} {without}");
}

#[test]
fn ritz_values_fall_and_every_step_is_told() {
    let (values, inverse) = problem();
    let mut steps = Vec::new();
    let options = DavidsonOptions { max_products: 260, tolerance: 1e-12, ..options() };
    let watch = |step: &Step| {
        steps.push(*step);
        true
    };
    let (found, stop) =
        smallest_eigenpair(diagonal(&values), diagonal(&inverse), values.len(), &options, watch).unwrap();
    assert_eq!((stop, found.converged, found.products, steps.len()), (Stop::Budget, false, 260, 259));
    // Also across the restart, where the basis shrinks.
    assert!(
        steps.windows(2).all(|pair| pair[1].value <= pair[0].value + 1e-10 && pair[1].products == pair[0].products + 1)
    );
    let last = steps.last().unwrap();
    assert!((last.residual - found.residual).abs() < 1e-9, "{} {}", last.residual, found.residual);
    let exact = values.iter().zip(&found.vector).map(|(h, v)| (h * v - found.value * v).powi(2)).sum::<f64>().sqrt();
    assert!((found.residual - exact).abs() < 1e-12, "{} {exact}", found.residual);
}

#[test]
fn a_singular_operator_is_told_from_a_regular_one() {
    let mut values: Vec<f64> = (0..300).map(|i| 1.0 + i as f64).collect();
    values[17] = 0.0;
    let identity = vec![1.0; 300];
    let (found, stop) = smallest_eigenpair(diagonal(&values), diagonal(&identity), 300, &options(), |_| true).unwrap();
    assert_eq!(stop, Stop::BelowResolution);
    assert!(found.value.abs() <= 1e-12 && !found.converged);
}

#[test]
fn the_smallest_operators_are_solved_exactly() {
    for values in [&[3.0][..], &[2.0, 2.0], &[1.0, 4.0, 2.0], &[0.5; 7]] {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let identity = vec![1.0; values.len()];
        let (found, stop) =
            smallest_eigenpair(diagonal(values), diagonal(&identity), values.len(), &options(), |_| true).unwrap();
        assert_eq!(stop, Stop::Converged);
        assert!((found.value - least).abs() < 1e-14, "{values:?} {}", found.value);
    }
}

#[test]
fn a_preconditioner_that_gives_nothing_new_does_not_stop_it() {
    let values: Vec<f64> = (0..30).map(|i| 1.0 + i as f64).collect();
    let (found, _) = smallest_eigenpair(diagonal(&values), |_| Ok(vec![1.0; 30]), 30, &options(), |_| true).unwrap();
    assert!((found.value - 1.0).abs() < 1e-12 && found.products <= 32, "{}", found.value);
}

#[test]
fn the_bits_depend_on_the_seed_alone_and_it_can_be_stopped() {
    let (values, inverse) = problem();
    let run = |seed| {
        let options = DavidsonOptions { seed, ..options() };
        let watch = |step: &Step| step.products < 5;
        let (found, stop) =
            smallest_eigenpair(diagonal(&values), diagonal(&inverse), values.len(), &options, watch).unwrap();
        assert_eq!((stop, found.products), (Stop::Interrupted, 6));
        found.value.to_bits()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let nonsense = smallest_eigenpair(diagonal(&[1.0, f64::NAN]), diagonal(&[1.0; 2]), 2, &options(), |_| true);
    assert!(matches!(nonsense, Err(TrainError::Eigenvalues(2))));
}
