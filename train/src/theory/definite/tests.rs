use memorize_kernels::Mat;

use super::*;

/// A symmetric matrix with a heavy diagonal.
fn some(n: usize) -> Mat<f64> {
    Mat::from_fn(n, n, |i, k| {
        let (i, k) = (i.max(k), i.min(k));
        ((31 * i + 17 * k) % 23) as f64 / 23.0 + if i == k { n as f64 } else { 0.0 }
    })
}

fn tile_of(a: &Mat<f64>) -> impl Fn(Range<usize>, Range<usize>, MatMut<'_, f64>) + Sync {
    |rows, columns, mut out| {
        for (at, k) in columns.enumerate() {
            out.row_mut(at).copy_from_slice(&a.row(k)[rows.clone()]);
        }
    }
}

/// The first row whose pivot is not above zero, by the loops of a textbook.
fn expected(a: &Mat<f64>, shift: f64) -> Outcome {
    let n = a.rows();
    let mut l = Mat::<f64>::zeros(n, n);
    for i in 0..n {
        for k in 0..=i {
            let sum: f64 = (0..k).map(|m| l.row(i)[m] * l.row(k)[m]).sum();
            if i > k {
                l.row_mut(i)[k] = (a.row(i)[k] - sum) / l.row(k)[k];
            } else if a.row(i)[i] - shift - sum > 0.0 {
                l.row_mut(i)[i] = (a.row(i)[i] - shift - sum).sqrt();
            } else {
                return Outcome::Pivot { row: i };
            }
        }
    }
    Outcome::Complete
}

#[test]
fn pivots_are_those_of_the_textbook_for_sizes_around_a_tile() {
    for n in [1, 2, 31, 33, 255, 256, 257, 300, 513, 600] {
        let mut a = some(n);
        let run = |a: &Mat<f64>, shift, par| factorize(par, n, shift, &tile_of(a), &mut |_| true);
        assert_eq!(run(&a, 0.0, Par::Seq), Outcome::Complete, "{n}");
        for row in [0, n / 3, n / 2, n - 1] {
            let before = a.row(row)[row];
            a.row_mut(row)[row] = -1.0;
            let outcome = run(&a, 0.0, Par::ALWAYS);
            assert!(outcome == expected(&a, 0.0) && outcome == Outcome::Pivot { row }, "{n} {row} {outcome:?}");
            a.row_mut(row)[row] = f64::NAN;
            assert_eq!(run(&a, 0.0, Par::Seq), Outcome::Pivot { row }, "{n} {row}");
            a.row_mut(row)[row] = before;
        }
        for share in [0.5, 0.9, 1.1, 2.0] {
            let shift = share * n as f64;
            let outcome = run(&a, shift, Par::Seq);
            assert_eq!(outcome, run(&a, shift, Par::ALWAYS), "{n} {share}");
            assert_eq!(outcome, expected(&a, shift), "{n} {share}");
        }
    }
}

#[test]
fn the_factor_reproduces_the_matrix_with_the_same_bits_on_any_number_of_threads() {
    let n = 2 * TILE + 77;
    let a = some(n);
    let factor = |par: Par| {
        let mut panels: Vec<Panel> = (0..n).step_by(TILE).map(|i| Panel::zeros(i..n.min(i + TILE))).collect();
        for j in 0..panels.len() {
            let (above, below) = panels.split_at_mut(j + 1);
            let columns = above[j].rows.clone();
            above[j].pivot(columns.clone(), 0.5, &tile_of(&a)).unwrap();
            let own = &above[j];
            parallel::for_each(par, below, &|_, panel| panel.append(own, columns.clone(), &tile_of(&a)));
        }
        panels
    };
    let (panels, others) = (factor(Par::Seq), factor(Par::ALWAYS));
    let l = |i: usize, k: usize| {
        let panel = &panels[i / TILE];
        if k > i { 0.0 } else { panel.elements[k * panel.rows.len() + i - panel.rows.start] }
    };
    for (panel, other) in panels.iter().zip(&others) {
        assert_eq!(panel.elements, other.elements);
    }
    for (i, k) in [(0, 0), (TILE, 3), (TILE + 5, TILE + 5), (n - 1, 0), (n - 1, n - 2), (n - 1, n - 1), (2 * TILE, 300)]
    {
        let found: f64 = (0..=k).map(|m| l(i, m) * l(k, m)).sum();
        let exact = a.row(i)[k] - if i == k { 0.5 } else { 0.0 };
        assert!((found - exact).abs() < 1e-12 * n as f64, "{i} {k}: {found} {exact}");
    }
}

#[test]
fn it_can_be_stopped_and_tells_how_far_it_is() {
    let n = 3 * TILE;
    let a = some(n);
    let mut shares = Vec::new();
    let outcome = factorize(Par::Seq, n, 0.0, &tile_of(&a), &mut |share| {
        shares.push(share);
        shares.len() < 2
    });
    assert_eq!(outcome, Outcome::Interrupted);
    // Of 3 + 2 * 2 + 3: the first pivot, then that of the second column.
    assert_eq!(shares, [0.1, 0.5]);
    assert_eq!(factorize(Par::Seq, 0, 0.0, &tile_of(&a), &mut |_| false), Outcome::Complete);
}
