use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

const PLAN: Plan =
    Plan { iterations: Some(28_140), epochs: Some(60), iterations_before: 0, samples_before: 0, decays: true };

fn at(iteration: u64, milliseconds: u64) -> Snapshot {
    Snapshot {
        iteration,
        epoch: iteration as f64 / 469.0,
        loss: 0.5,
        smoothed_loss: 1.234e-3,
        learning_rate: 0.003,
        samples_seen: 128 * iteration,
        elapsed: Duration::from_millis(milliseconds),
    }
}

#[test]
fn a_line_has_all_the_facts() {
    assert_eq!(
        facts(&PLAN, &at(14_070, 60_000), true),
        "epoch 30.0/60  iteration 14,070/28,140  loss 1.23e-3  lr 3.00e-3  30,016 samples/s  1 min 00 s left"
    );
    let first = facts(&Plan::default(), &at(0, 0), true);
    assert_eq!(first, "epoch 0.0  iteration 0  loss 1.23e-3  lr 3.00e-3");
}

#[test]
fn on_a_narrow_terminal_facts_are_left_out_and_not_cut() {
    let now = at(14_070, 60_000);
    let all = "epoch 30.0/60  loss 1.23e-3  lr 3.00e-3  30,016 samples/s  1 min 00 s left";
    assert_eq!(short_facts(&PLAN, &now, all.len()), all);
    let fewer = "epoch 30.0/60  loss 1.23e-3  lr 3.00e-3  1 min 00 s left";
    assert_eq!(short_facts(&PLAN, &now, all.len() - 1), fewer);
    assert_eq!(short_facts(&PLAN, &now, fewer.len() - 1), "epoch 30.0/60  loss 1.23e-3  1 min 00 s left");
}

#[test]
fn the_chart_shows_records_until_there_is_a_mean_of_twenty() {
    let mut live = Live::default();
    (1..20).for_each(|i| live.push(&at(i, 0)));
    assert!(live.chart.draw(40, 2).unwrap().contains("5.00e-1"), "the records are 0.5");
    live.push(&at(20, 0));
    assert!(live.chart.draw(40, 2).is_none(), "one mean is no curve");
    live.push(&at(21, 0));
    assert!(live.chart.draw(40, 2).unwrap().contains("1.23e-3"));
}

#[test]
fn a_resumed_run_is_timed_from_where_it_resumed() {
    let plan = Plan { iterations_before: 14_070, samples_before: 14_070 * 128, ..PLAN };
    let now = at(21_105, 30_000);
    assert_eq!(samples_per_second(&plan, &now), Some(30_016));
    assert_eq!(time_left(&plan, &now), Some(Duration::from_secs(30)));
}

#[test]
fn a_log_gets_a_line_each_epoch_and_the_last_state() {
    let log = Log::default();
    let mut progress = Progress::to(log.clone(), PLAN);
    // 2 s an epoch, three epochs and a bit.
    for iteration in (0..=1500).step_by(5) {
        progress.update(&at(iteration, iteration * 2000 / 469));
    }
    progress.finish();
    progress.finish();
    let epochs: Vec<String> = log.lines().iter().map(|line| line[..9].to_owned()).collect();
    assert_eq!(epochs, ["epoch 0.0", "epoch 1.0", "epoch 2.0", "epoch 3.0", "epoch 3.2"]);
}

#[test]
fn long_epochs_get_a_line_every_ten_seconds_and_short_ones_do_not_flood() {
    let log = Log::default();
    let mut progress = Progress::to(log.clone(), PLAN);
    (0..=40).for_each(|second| progress.update(&at(second, second * 1000)));
    assert_eq!(log.lines().len(), 5);

    let log = Log::default();
    let mut progress = Progress::to(log.clone(), PLAN);
    for millisecond in 0..3500 {
        progress.update(&Snapshot { epoch: millisecond as f64, ..at(millisecond, millisecond) });
    }
    assert_eq!(log.lines().len(), 4);
}

#[test]
fn notes_stand_between_the_lines() {
    let log = Log::default();
    let mut progress = Progress::to(log.clone(), PLAN);
    progress.note("route: neuron");
    progress.update(&at(0, 0));
    assert_eq!(log.lines().len(), 2);
    assert_eq!(log.lines()[0], "route: neuron");
}

#[test]
fn programs_read_the_same_at_the_same_times_and_each_decay() {
    let log = Log::default();
    let mut progress = Progress::json_to(log.clone(), PLAN);
    progress.update(&at(0, 0));
    progress.update(&Snapshot { learning_rate: 0.001, loss: f64::NAN, ..at(7, 100) });
    progress.finish();
    let lines: Vec<serde_json::Value> = log.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["progress", "learning_rate", "progress"]);
    assert_eq!((&lines[1]["from"], &lines[1]["to"]), (&0.003.into(), &0.001.into()));
    assert_eq!((&lines[2]["iteration"], &lines[2]["learning_rate"]), (&7.into(), &0.001.into()));
    assert!(lines[2]["loss"].is_null() && lines[2]["samples_per_second"] == 8960, "{}", lines[2]);
}

#[test]
fn the_mode_follows_the_terminal_and_the_wishes() {
    assert_eq!(Mode::choose(false, true, false), Mode::Bar { colour: true, live: false });
    assert_eq!(Mode::choose(false, true, true), Mode::Bar { colour: false, live: false });
    assert_eq!(Mode::choose(false, false, false), Mode::Lines);
    assert_eq!(Mode::choose(true, true, false), Mode::Quiet);
    assert_eq!(Mode::choose(true, false, true), Mode::Quiet);
}

#[test]
fn every_template_of_the_bar_is_valid() {
    for template in ["{wide_bar:.cyan/blue} {percent:>3}%  {msg}", "{spinner:.cyan} {msg}"] {
        assert!(ProgressStyle::with_template(template).is_ok());
    }
    let mut progress = Progress::new(Mode::Bar { colour: false, live: true }, PLAN);
    progress.update(&at(5, 100));
    progress.note("x");
    progress.finish();
}
