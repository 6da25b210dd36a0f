use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use memorize_kernels::parallel::leaf_rows;
use memorize_kernels::pass::{self, AdamStep, Backward, Batch, FusedStep, Rule, Weights};
use memorize_kernels::rows::{Part, gather_whole, whole};
use memorize_kernels::team::Spread;
use memorize_kernels::{Backend, Engine, Mat, MatRef, Par, Rows};
use proptest::prelude::*;

use super::*;

/// All of them, but for Miri, which takes a thousand times as long.
fn few(ranks: &[usize]) -> &[usize] {
    if cfg!(miri) { &ranks[..1] } else { ranks }
}

/// Results of each rank of a team.
fn each<R: Send>(ranks: usize, work: impl Fn(&Arc<dyn Team>) -> R + Sync) -> Vec<R> {
    each_of(&threads(ranks), work)
}

fn each_of<M: Sync, R: Send>(members: &[M], work: impl Fn(&M) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let handles: Vec<_> = members.iter().map(|member| scope.spawn(|| work(member))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    })
}

fn numbers(n: usize, d: usize) -> Mat<f64> {
    Mat::from_fn(n, d, |i, k| ((i * 31 + k * 17 + i * i % 7) % 23) as f64 / 11.0 - 1.0)
}

fn share<'a>(x: &'a Mat<f64>, team: &Arc<dyn Team>) -> Part<MatRef<'a, f64>> {
    let spread = Spread::over(team, x.rows());
    Part::new(x.as_ref().rows_range(spread.range()), spread)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 60 }))]

    #[test]
    fn shares_are_whole_leaves_that_follow_each_other(n in 0usize..300_000, ranks in 1usize..40) {
        let teams = threads(ranks);
        let shares: Vec<Range<usize>> = teams.iter().map(|team| Spread::over(team, n).range()).collect();
        prop_assert!(shares[0].start == 0 && shares[ranks - 1].end == n);
        prop_assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
        let most = (n / ranks) + n / ranks / 4 + leaf_rows(n);
        prop_assert!(shares.iter().all(|share| share.len() <= most), "{shares:?}");
    }

    #[test]
    fn the_additions_are_those_of_one_rank(n in 0usize..20_000, ranks in 1usize..7, parallel: bool) {
        // An operation that is neither associative nor commutative.
        let leaf = |first: usize, range: Range<usize>| (range.len() + 3 * (first + range.start)) as f64 + 0.1;
        let combine = |left: f64, right: f64| left * 1.000_1 - right / 3.0;
        let alone = Spread::alone(n).reduce(Par::Seq, &|| 0.0, &|range| leaf(0, range), &combine);
        let par = if parallel { Par::POOL } else { Par::Seq };
        let found = each(ranks, |team| {
            let spread = Spread::over(team, n);
            let first = spread.range().start;
            spread.reduce(par, &|| 0.0, &|range| leaf(first, range), &combine)
        });
        prop_assert!(found.iter().all(|found| found.to_bits() == alone.to_bits()), "{found:?} {alone}");
    }
}

#[test]
fn every_pass_gives_the_bits_of_one_rank() {
    let (n, d, r) = if cfg!(miri) { (600, 3, 4) } else { (3001, 9, 14) };
    let (x, w) = (numbers(n, d), numbers(r, d));
    let y: Vec<f64> = (0..n).map(|j| (j % 10) as f64).collect();
    let a: Vec<f64> = (0..r).map(|i| if i < r / 2 { 1.0 } else { -1.0 }).collect();
    for &backend in Backend::ALL {
        let engine = Engine { backend, par: Par::Seq, ..Engine::best() };
        let s = pass::network_forms(&engine, w.as_ref(), &a).unwrap();
        let results = |x: &dyn Rows<f64>, y: &[f64]| {
            let gram = pass::weighted_gram(&engine, &x, y).unwrap();
            let along = pass::transposed_times_vector(&engine, &x, y).unwrap();
            let by_gram = pass::loss_and_moment(&engine, &x, y, &s).unwrap();
            let by_neurons = pass::loss_and_gradient(&engine, &x, y, w.as_ref(), &a, 0.25).unwrap();
            let mut all = vec![by_gram.squares, by_neurons.squares];
            [gram, by_gram.moment.matrix(), by_neurons.gradient].iter().for_each(|mat| all.extend(mat.iter()));
            all.extend(along);
            all
        };
        let alone = results(&x, &y);
        for &ranks in few(&[2, 3, 5, 9]) {
            let found = each(ranks, |team| results(&share(&x, team), &y[Spread::over(team, n).range()]));
            assert!(found.iter().all(|found| *found == alone), "{backend}, {ranks} ranks");
        }
    }
}

#[test]
fn steps_on_divided_neurons_give_the_bits_of_one_rank() {
    let (b, d, r) = if cfg!(miri) { (4, 3, 300) } else { (20, 11, 700) };
    let (x, w) = (numbers(b, d), numbers(r, d));
    let a: Vec<f64> = (0..r).map(|i| if i < r / 2 { 1e-3 } else { -1e-3 }).collect();
    for &backend in Backend::ALL {
        let engine = Engine { backend, par: Par::Seq, ..Engine::best() };
        let train = |team: Option<Arc<dyn Team>>| {
            let mut step = FusedStep::over(team, engine, &Weights::new(w.clone()), &a, b).unwrap();
            let mut batch = Batch::new(&engine, b, d);
            batch.fill(b, |mut out| (0..b).for_each(|j| out.row_mut(j).copy_from_slice(x.row(j)))).unwrap();
            let mut q = vec![0.0; b];
            let mut primed = step.forward(&batch, &mut q).unwrap();
            for t in 1..4 {
                let delta: Vec<f64> = q.iter().map(|q| (q - 1.0) / b as f64).collect();
                let rule = Rule::Adam(AdamStep::new(t, 0.01, 0.9, 0.999, 1e-8, 0.0));
                let backward = Backward { batch: &batch, delta: &delta, rule };
                primed = step.step(primed, backward, Some(&batch), &mut q).unwrap().unwrap();
            }
            let Weights { w, first, second } = step.weights();
            [w.padded(), first.padded(), second.padded(), &q].concat()
        };
        let alone = train(None);
        for &ranks in few(&[2, 3, 6]) {
            let found = each(ranks, |team| train(Some(team.clone())));
            assert!(found.iter().all(|found| *found == alone), "{backend}, {ranks} ranks");
        }
    }
}

#[test]
fn rows_are_found_wherever_they_are() {
    let x = numbers(2500, 4);
    let chosen = [2499, 0, 17, 1300, 600, 1301, 17];
    let found = each(3, |team| {
        let own = share(&x, team);
        let mut rows = Mat::zeros(chosen.len(), 4);
        gather_whole(&own, &chosen, rows.as_mut());
        (rows, whole(Par::Seq, &own))
    });
    for (rows, all) in found {
        assert!(chosen.iter().enumerate().all(|(i, &number)| rows.row(i) == x.row(number as usize)));
        assert_eq!(all.padded(), x.padded());
    }
}

#[test]
fn all_ranks_have_what_the_first_finds() {
    for &ranks in few(&[2, 3, 7]) {
        let found = each(ranks, |team| {
            let (space, own) = (Spread::over(team, 4), team.rank() as f64 + 0.5);
            let nothing = space.from_first(|| (team.rank() > 0).then_some(own), || own);
            let something =
                space.from_first(|| (team.rank() == 0).then_some((own, vec![own, 7.0])), || (own, vec![own; 2]));
            let everywhere = space.repeated(9);
            assert!((everywhere.rows(), everywhere.whole(), everywhere.team().is_none()) == (9, 9, true));
            assert_eq!(everywhere.from_first(|| Some(own), || -1.0), Some(0.5));
            (nothing, something)
        });
        assert!(found.iter().all(|found| *found == (None, Some((0.5, vec![0.5, 7.0])))), "{found:?}");
    }
}

#[test]
fn texts_and_numbers_are_gathered_in_the_order_of_ranks() {
    for ranks in 1..7 {
        let found = each(ranks, |team| {
            let own = vec![team.rank() as u16; team.rank()];
            (gather(&**team, &own), gather_text(&**team, &"ab".repeat(team.rank())))
        });
        let numbers: Vec<u16> = (0..ranks).flat_map(|rank| vec![rank as u16; rank]).collect();
        let texts: Vec<String> = (0..ranks).map(|rank| "ab".repeat(rank)).collect();
        assert!(found.iter().all(|found| *found == (numbers.clone(), texts.clone())));
    }
}

#[test]
fn everybody_learns_who_has_failed_in_the_middle_of_whatever_they_do() {
    for (count, failing) in [(2, vec![0]), (3, vec![2]), (5, vec![3, 1]), (6, vec![5]), (4, vec![0, 1, 2, 3])] {
        let first = *failing.iter().min().unwrap();
        let expected = Failed { rank: first, code: 7 };
        let found = each_of(&members(count), |ranks| {
            if failing.contains(&ranks.rank()) {
                return fail(ranks, 7);
            }
            let computing = || gather(ranks, &[1.0f64]);
            Failed::of(&*catch_unwind(AssertUnwindSafe(computing)).unwrap_err()).unwrap()
        });
        assert!(found.iter().all(|found| *found == expected), "{found:?}");
    }
    each(4, |team| meet(&**team));
}
