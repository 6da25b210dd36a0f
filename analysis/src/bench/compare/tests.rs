//! Tests of [`super`].

use memorize_benches::machine::MachineInfo;
use memorize_kernels::Engine;

use super::*;

fn measurement(seconds: f64, spread_seconds: f64) -> Measurement {
    let text = |text: &str| text.to_owned();
    Measurement {
        pass: text("features"),
        shape: text("1x2x3"),
        backend: text("native"),
        dtype: text("f32"),
        isa: text("avx2"),
        threads: 2,
        seconds,
        spread_seconds,
        fastest_seconds: seconds,
        slowest_seconds: seconds,
        runs: 9,
        gflops: 1.0,
        gbs: 1.0,
        fraction_of_peak: 0.5,
        fraction_of_roofline: 0.5,
        error: 0.0,
    }
}

fn report(results: &[Measurement]) -> BenchReport {
    let machine = MachineInfo { cpu: "A".to_owned(), ..MachineInfo::of(&Engine::best()) };
    let peak_gflops = [("f32".to_owned(), 100.0), ("f64".to_owned(), 50.0)].into();
    BenchReport { machine, peak_gflops, bandwidth_gbs: 10.0, read_bandwidth_gbs: 6.0, results: results.to_vec() }
}

#[test]
fn only_what_exceeds_the_noise_is_a_change() {
    let old = measurement(1.0, 0.001);
    assert_eq!(change(&old, &measurement(1.04, 0.001)), Change::Noise, "within a day's difference");
    assert_eq!(change(&old, &measurement(1.2, 0.001)), Change::Slower);
    assert_eq!(change(&old, &measurement(0.8, 0.001)), Change::Faster);
    assert_eq!(change(&old, &measurement(1.2, 0.1)), Change::Noise, "within the spread");
}

#[test]
fn a_run_that_was_as_fast_as_before_speaks_for_noise() {
    let (quiet, disturbed) = (measurement(1.0, 0.001), measurement(1.2, 0.001));
    let disturbed = Measurement { fastest_seconds: 0.99, ..disturbed };
    assert_eq!(change(&quiet, &disturbed), Change::Noise);
    assert_eq!(change(&disturbed, &quiet), Change::Noise);
}

#[test]
fn a_report_is_the_same_as_itself() {
    let same = report(&[measurement(1.0, 0.1)]);
    let text = text(&same, &same);
    assert!(text.contains("same") && text.ends_with("1 compared, 0 slower beyond the noise\n"), "{text}");
}

#[test]
fn what_only_one_report_has_is_counted() {
    let other = |shape: &str| Measurement { shape: shape.to_owned(), ..measurement(1.0, 0.0) };
    let old = report(&[measurement(1.0, 0.0), other("4x4x4")]);
    let new = report(&[measurement(2.0, 0.0), other("8x8x8"), other("9x9x9")]);
    let text = text(&old, &new);
    assert!(text.contains("SLOWER") && text.contains("2.00"), "{text}");
    assert!(
        text.contains("1 compared, 1 slower beyond the noise, 2 measured only now, 1 measured only before"),
        "{text}"
    );
}

#[test]
fn another_machine_or_a_busy_one_is_noted() {
    let (old, mut new) = (report(&[measurement(1.0, 0.0)]), report(&[measurement(1.0, 0.0)]));
    new.machine.cpu = "B".to_owned();
    new.machine.compiler = "rustc 9".to_owned();
    new.peak_gflops.insert("f32".to_owned(), 60.0);
    new.bandwidth_gbs = 10.1;
    let text = text(&old, &new);
    assert!(text.contains("note: measured on A before, on B now"), "{text}");
    assert!(text.contains("with rustc 9 now"), "{text}");
    assert!(text.contains("note: the peak in f32 was measured 0.60 times as high as before"), "{text}");
    assert!(!text.contains("f64 was") && !text.contains("bandwidth"), "{text}");
}

#[test]
fn a_file_from_before_reads_alone_were_measured_is_read_and_says_nothing_of_them() {
    let new = report(&[measurement(1.0, 0.0)]);
    let mut json = serde_json::to_value(&new).unwrap();
    json.as_object_mut().unwrap().remove("read_bandwidth_gbs").unwrap();
    let old: BenchReport = serde_json::from_value(json).unwrap();
    assert!(!text(&old, &new).contains("for reads"));
    let slower = BenchReport { read_bandwidth_gbs: new.read_bandwidth_gbs / 2.0, ..new.clone() };
    let text = text(&new, &slower);
    assert!(text.contains("note: the memory's bandwidth for reads was measured 0.50 times as high"), "{text}");
}

#[test]
fn nothing_in_common_is_refused_before_anything_is_measured() {
    let old = report(&[measurement(1.0, 0.0), measurement(1.0, 0.0)]);
    let same = Subject::of(&old.results[0]);
    let other = Subject { threads: 7, ..Subject::of(&old.results[0]) };
    assert!(
        check_overlap(&old, &[Subject { shape: "9x9x9".to_owned(), ..Subject::of(&old.results[0]) }, same]).is_ok()
    );
    let error = check_overlap(&old, &[other]).unwrap_err();
    assert_eq!(error.code(), 2);
    let mut shown = Vec::new();
    error.print(&mut shown, &|_| true).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    for words in ["features 1x2x3 f32 native avx2 on 2 threads and 1 more", "on 7 threads", "hint: "] {
        assert!(shown.contains(words), "{shown}");
    }
    assert!(check_overlap(&report(&[]), &[Subject::of(&old.results[0])]).is_err());
}

#[test]
fn times_that_no_benchmark_prints_are_refused() {
    assert!(check(&report(&[measurement(1.0, 0.0)])).is_ok());
    for wrong in [
        measurement(0.0, 0.0),
        measurement(-1.0, 0.0),
        measurement(1.0, -0.1),
        Measurement { fastest_seconds: 2.0, ..measurement(1.0, 0.0) },
        Measurement { fastest_seconds: 0.0, ..measurement(1.0, 0.0) },
    ] {
        let error = check(&report(&[measurement(1.0, 0.0), wrong])).unwrap_err();
        assert!(error.to_string().contains("results[1]."), "{error}");
    }
}
