//! Tests of [`super`].

use memorize_run::run_folder::Record;

use super::*;
use crate::plot::{HEIGHT, WIDTH};

fn record(iteration: u64, loss: f64, smoothed_loss: f64) -> Record {
    Record { iteration, epoch: 0.0, loss, smoothed_loss, learning_rate: 0.003, seconds: 0.0 }
}

fn pictures(records: &[Record]) -> Pictures {
    let trace = Trace::of(records);
    render(&Curve { title: "mnist-2layer-noise", subtitle: "n = 60,000", loss: Some(1.5e-6), trace: &trace }).unwrap()
}

/// Width, height and pixels of a PNG.
fn decode(file: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, pixels)
}

/// Whether a pixel of about this colour is in the frame of the plot.
fn shows(file: &[u8], colour: [u8; 3]) -> bool {
    let (width, _, pixels) = decode(file);
    let near = |pixel: &[u8]| pixel.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 8);
    pixels.chunks_exact(3).enumerate().any(|(i, pixel)| i as u32 / width > 146 && near(pixel))
}

const RAW: [u8; 3] = [0xb9, 0xd4, 0xf1];
const SMOOTH: [u8; 3] = [0x14, 0x5d, 0xb8];

/// A falling loss with noise, deterministic.
fn training(count: u64) -> Vec<Record> {
    let mut smoother = memorize_run::run_folder::Smoother::default();
    let mut state = 1_u64;
    let noise = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
    };
    (0..count)
        .map(|i| {
            let progress = i as f64 / count as f64;
            let loss = 8.0 * 10_f64.powf(-6.5 * progress.sqrt() + 0.8 * noise(&mut state));
            record(5 * i, loss, smoother.push(loss))
        })
        .collect()
}

#[test]
fn a_curve_is_drawn_in_both_forms() {
    let pictures = pictures(&training(5628));
    let (width, height, _) = decode(&pictures.png);
    assert_eq!((width, height), (WIDTH, HEIGHT));
    assert!(shows(&pictures.png, RAW) && shows(&pictures.png, SMOOTH));
    for text in [
        "mnist-2layer-noise",
        "n = 60,000",
        "iteration",
        "loss f(W)",
        "1e-3",
        "20,000",
        "every record",
        "mean of 20 records",
        "at the end f(W) = 1.50e-6",
    ] {
        assert!(pictures.svg.contains(text), "{text}");
    }
    for colour in ["#B9D4F1", "#145DB8"] {
        assert_eq!(pictures.svg.matches(colour).count(), 2, "{colour}: the curve and its sample in the legend");
    }
}

#[test]
fn no_records_still_give_a_picture_that_says_so() {
    for records in [vec![], vec![record(0, 0.0, 0.0), record(5, f64::NAN, f64::INFINITY), record(10, -1.0, -1.0)]] {
        let pictures = pictures(&records);
        assert!(pictures.svg.contains("nothing to draw"));
        assert_eq!(pictures.svg.contains("3 records at 0 or not finite: not drawn"), !records.is_empty());
        assert!(!shows(&pictures.png, SMOOTH));
    }
}

#[test]
fn a_single_record_is_a_dot() {
    let pictures = pictures(&[record(0, 0.5, 0.5)]);
    assert!(pictures.svg.contains("<circle"));
    assert!(shows(&pictures.png, SMOOTH));
    assert!(!pictures.svg.contains("mean of"), "there is no mean of twenty");
}

#[test]
fn unusual_losses_do_not_disturb_the_others() {
    let mut records = training(100);
    records[3].loss = 0.0;
    records[4].loss = f64::INFINITY;
    records[5].smoothed_loss = f64::NAN;
    records[6].loss = 5e-324;
    records[7].loss = f64::MAX;
    assert!(shows(&pictures(&records).png, SMOOTH));
}

#[test]
fn a_constant_loss_is_a_level_line() {
    let records: Vec<Record> = (0..50).map(|i| record(i, 0.25, 0.25)).collect();
    assert!(shows(&pictures(&records).png, SMOOTH));
}

#[test]
fn a_million_records_make_a_small_file() {
    let pictures = pictures(&training(1_000_000));
    assert!(pictures.svg.len() < 200_000, "{}", pictures.svg.len());
}

#[test]
fn text_that_xml_reserves_is_escaped() {
    let pictures = render(&Curve { title: "a < b & c", subtitle: "", loss: None, trace: &Trace::default() }).unwrap();
    assert!(pictures.svg.contains("a &lt; b &amp; c"), "{}", pictures.svg);
}

/// Pixels of a PNG in its first rows, where the title is, that are not white.
fn ink_in_the_title(title: &str) -> usize {
    let file = render(&Curve { title, subtitle: "", loss: None, trace: &Trace::default() }).unwrap().png;
    let (width, _, pixels) = decode(&file);
    pixels.chunks_exact(3).take(60 * width as usize).filter(|pixel| pixel.iter().any(|part| *part < 200)).count()
}

#[test]
fn a_name_in_letters_that_the_font_lacks_is_not_drawn_as_nothing() {
    assert_eq!(ink_in_the_title(""), 0);
    assert!(ink_in_the_title("\u{8fd0}\u{884c}") > 100);
    assert!(ink_in_the_title("\u{2019}") > 4 && ink_in_the_title("\u{3bb}") > 40);
}

#[test]
fn a_long_name_ends_within_the_picture() {
    let title = "a name that goes on and on ".repeat(20);
    let file = render(&Curve { title: &title, subtitle: &title, loss: None, trace: &Trace::default() }).unwrap().png;
    let (width, _, pixels) = decode(&file);
    let dark = |x: u32| (0..90).any(|y| pixels[(3 * (y * width + x)) as usize] < 200);
    assert!((1000..1190).any(dark) && !(1196..1200).any(dark));
}

#[test]
fn everything_that_the_program_writes_into_a_curve_is_in_the_font() {
    for experiment in memorize_run::experiments::Experiment::ALL {
        let subtitle = format!("the paper: {}", experiment.paper());
        let trace = Trace::of(&training(100));
        let curve = Curve { title: experiment.name(), subtitle: &subtitle, loss: Some(1e-6), trace: &trace };
        assert_eq!(crate::plot::not_in_the_font(&render(&curve).unwrap().svg), "");
        let room = f64::from(WIDTH) - Frame::STANDARD.left;
        assert!(crate::plot::font::width(&subtitle, 18) < room, "{subtitle} is not cut");
    }
}
