//! What is heard of runs: a bar on a terminal, plain lines in a log, JSON for programs, nothing when asked to be quiet.
//! On standard error; and, if there is somewhere to put them, event files for TensorBoard.

pub mod chart;
pub mod lines;
mod screen;
pub mod tensorboard;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use memorize_data::Shown;
use memorize_data::shown::printable;
use memorize_run::blas;
use memorize_run::config::Backend;
use memorize_run::error::Error;
use memorize_run::events::{Event, Listener, Plan, Snapshot};
use memorize_run::ranks;
use memorize_run::run_folder::{Record, SMOOTHING, Summary};
use memorize_run::units::{duration, scientific, thousands};

use crate::say::{self, write_line};
use chart::Chart;
use lines::Now;
pub use lines::{End, Line};
use screen::Screen;
use tensorboard::{EventFile, LOSS};

/// Shortest time between two refreshes of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// Shortest time between two drawings of the chart.
const CHART_EVERY: Duration = Duration::from_millis(250);
/// Lines of the chart, at most.
const CHART_LINES: usize = 10;
/// Columns of the bar's line beside the facts: the percentage and what separates them.
const BESIDE_FACTS: usize = 7;
/// Lines of a terminal that are left to others.
const OTHER_LINES: usize = 4;
/// Shortest time between two lines in a log; an epoch that ends sooner gets none.
const LINE_AFTER: Duration = Duration::from_secs(1);
/// Longest time without a line in a log, as long as there are updates.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A bar that is redrawn, for terminals; coloured or not.
    Bar {
        /// Whether it may be coloured.
        colour: bool,
        /// Whether the curve of the loss stands above it.
        live: bool,
    },
    /// Lines, for logs.
    Lines,
    /// JSON objects, a line each, for programs.
    Json,
    /// Nothing.
    #[default]
    Quiet,
}

/// How a run speaks: nothing is said by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voice {
    /// How progress is shown.
    pub mode: Mode,
    /// Whether details are told, too.
    pub verbose: bool,
    /// Where TensorBoard looks for runs, if it is to see this one.
    pub tensorboard: Option<PathBuf>,
}

impl Mode {
    /// The mode for this process: quiet if asked for, a bar if standard error is a terminal that can redraw a line (and
    /// in colour unless `NO_COLOR` is set), else lines.
    pub fn detect(quiet: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self::choose(quiet || !ranks::is_first(), io::stderr().is_terminal() && !dumb, set("NO_COLOR"))
    }

    /// Says something outside of a run.
    pub fn tell(self, line: &str) {
        match self {
            Self::Bar { .. } | Self::Lines => say::tell(line),
            Self::Json => self.send(&Line::Note { text: line }),
            Self::Quiet => {}
        }
    }

    /// Sends what is not told in words to the program that reads along, if there is one.
    pub fn send(self, event: &Line<'_>) {
        if self == Self::Json {
            write_line(&mut io::stderr(), &event.to_json());
        }
    }

    /// The same of a run.
    pub fn send_of(self, name: &str, event: &Line<'_>) {
        if self == Self::Json {
            write_line(&mut io::stderr(), &event.to_json_of(name));
        }
    }

    /// Says what is to be known of the BLAS before a command uses it. `backend`: the one that the command uses, none if
    /// it uses all.
    ///
    /// # Errors
    /// Bad input if the BLAS cannot be called.
    pub fn announce_blas(self, backend: Option<Backend>) -> Result<(), Error> {
        blas::warnings(backend)?.iter().for_each(|warning| self.tell(warning));
        Ok(())
    }

    fn choose(quiet: bool, terminal: bool, no_colour: bool) -> Self {
        match (quiet, terminal) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar { colour: !no_colour, live: false },
            (false, false) => Self::Lines,
        }
    }
}

/// Shows runs, one after the other, as a voice has it.
pub struct Console {
    voice: Voice,
    event_file: Option<EventFile>,
    /// Of the run that goes on.
    progress: Option<Progress>,
}

impl Console {
    /// Shows nothing until there is a run.
    pub fn new(voice: Voice) -> Self {
        Self { voice, event_file: None, progress: None }
    }

    fn tell(&mut self, text: &str) {
        match &mut self.progress {
            Some(progress) if !progress.is_cleared() => progress.note(text),
            _ => self.voice.mode.tell(text),
        }
    }
}

impl Listener for Console {
    fn check(&self, run: &Path) -> Result<(), Error> {
        self.voice.tensorboard.as_ref().map_or(Ok(()), |folder| EventFile::check(folder, run))
    }

    fn begin(&mut self, run: &Path) -> Result<(), Error> {
        self.event_file = self.voice.tensorboard.as_ref().map(|folder| EventFile::create(folder, run)).transpose()?;
        Ok(())
    }

    fn hear(&mut self, event: &Event<'_>) {
        match *event {
            Event::Start(ref start) => {
                let mut progress = Progress::new(self.voice.mode, start.plan)
                    .of_run(start.name)
                    .with_details(self.voice.verbose)
                    .with_event_file(self.event_file.take());
                progress.send(&Line::Start(start));
                self.progress = Some(progress);
            }
            Event::Note(text) => self.tell(text),
            Event::Detail(text) if self.voice.verbose => self.tell(text),
            Event::End { name, run, summary, error } => {
                self.progress = None;
                self.voice.mode.send_of(name, &Line::End(End::of(run, summary, error)));
            }
            _ => self.progress.iter_mut().for_each(|progress| progress.hear(event)),
        }
    }
}

/// Shows how far a run is.
pub struct Progress {
    plan: Plan,
    /// The run's name.
    name: String,
    sink: Sink,
    live: Option<Live>,
    verbose: bool,
    event_file: Option<EventFile>,
    shown: Option<Snapshot>,
    latest: Option<Snapshot>,
}

enum Sink {
    Bar(ProgressBar),
    Lines(Box<dyn Write + Send>),
    Json(Box<dyn Write + Send>),
    Quiet,
}

impl Progress {
    /// Starts to show a run.
    pub fn new(mode: Mode, plan: Plan) -> Self {
        let live = matches!(mode, Mode::Bar { live: true, .. }).then(Live::default);
        let sink = match mode {
            Mode::Bar { colour, live } => Sink::Bar(bar(plan, colour, live)),
            Mode::Lines => Sink::Lines(Box::new(io::stderr())),
            Mode::Json => Sink::Json(Box::new(io::stderr())),
            Mode::Quiet => Sink::Quiet,
        };
        Self { plan, name: String::new(), sink, live, verbose: false, event_file: None, shown: None, latest: None }
    }

    /// Lines, but to somewhere else.
    #[cfg(test)]
    fn to(out: impl Write + Send + 'static, plan: Plan) -> Self {
        Self { sink: Sink::Lines(Box::new(out)), ..Self::new(Mode::Quiet, plan) }
    }

    /// JSON, but to somewhere else.
    #[cfg(test)]
    fn json_to(out: impl Write + Send + 'static, plan: Plan) -> Self {
        Self { sink: Sink::Json(Box::new(out)), ..Self::new(Mode::Quiet, plan) }
    }

    /// Tells what happens on the way in words, too; programs that read along are told anyway.
    pub fn with_details(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// Names the run in each event.
    pub fn of_run(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Writes events for TensorBoard, too, if there is a file for them.
    pub fn with_event_file(self, event_file: Option<EventFile>) -> Self {
        Self { event_file, ..self }
    }

    /// Shows what happens in the run.
    fn hear(&mut self, event: &Event<'_>) {
        match *event {
            Event::Before(records) => self.catch_up(records),
            Event::Record(snapshot) => self.update(snapshot),
            Event::Keeping => self.sync(),
            Event::Checkpoint { iteration, seconds } => self.send(&Line::Checkpoint { iteration, seconds }),
            Event::Signal { seconds } => self.send(&Line::Signal { seconds }),
            Event::Trained => self.finish(),
            Event::Result(summary) => self.result(summary),
            Event::Start(_) | Event::Note(_) | Event::Detail(_) | Event::End { .. } => {}
        }
    }

    /// Whether it was a bar, and is none any more.
    fn is_cleared(&self) -> bool {
        matches!(&self.sink, Sink::Bar(bar) if bar.is_finished())
    }

    /// Tells where the run is. Cheap enough for every iteration: what is not due is not formatted.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let latest = self.latest.replace(*snapshot);
        if let Some(live) = &mut self.live {
            live.push(snapshot);
        }
        if self.event_file.is_some() {
            let rate = samples_per_second(&self.plan, snapshot).map(|rate| ("train/samples_per_second", rate as f64));
            let step_size = Some(("train/learning_rate", snapshot.learning_rate)).filter(|(_, size)| *size > 0.0);
            let known = [Some((LOSS, snapshot.loss)), Some(("train/epoch", snapshot.epoch)), step_size, rate];
            let values: Vec<_> = known.into_iter().flatten().collect();
            self.tell_tensorboard(|file| file.scalars(snapshot.iteration, &values));
        }
        if let Some(from) = latest.map(|latest| latest.learning_rate).filter(|_| self.plan.decays) {
            let Snapshot { iteration, epoch, learning_rate: to, .. } = *snapshot;
            if from != to {
                self.send(&Line::LearningRate { iteration, epoch, from, to });
            }
        }
        let due = self.shown.is_none_or(|shown| self.is_due(&shown, snapshot));
        if due {
            self.show(snapshot);
        }
    }

    /// Shows the last state and clears the bar.
    pub fn finish(&mut self) {
        match (self.latest, &self.sink) {
            (_, Sink::Bar(bar)) => bar.finish_and_clear(),
            (Some(latest), Sink::Lines(_) | Sink::Json(_)) if self.shown != self.latest => self.show(&latest),
            _ => {}
        }
    }

    /// Tells TensorBoard what the run came to: beside its curves, one point each.
    fn result(&mut self, summary: &Summary) {
        let test = summary.test_mse.map(|mse| ("result/test_mse", mse));
        let known = [Some(("result/f", summary.train_loss)), Some(("result/mse", summary.train_mse)), test];
        let values: Vec<_> = known.into_iter().flatten().collect();
        self.tell_tensorboard(|file| file.scalars(summary.iterations, &values).and_then(|()| file.sync()));
    }

    /// Tells TensorBoard of records of earlier processes that it has not seen.
    fn catch_up(&mut self, records: &[Record]) {
        self.tell_tensorboard(|file| file.catch_up(records));
    }

    /// Brings to the disk what TensorBoard was told: a checkpoint says that it is there.
    fn sync(&mut self) {
        self.tell_tensorboard(EventFile::sync);
    }

    /// Like every progress, a courtesy: a file that cannot be written to ends, and the run goes on.
    fn tell_tensorboard(&mut self, write: impl FnOnce(&mut EventFile) -> io::Result<()>) {
        let Some(mut file) = self.event_file.take() else { return };
        match write(&mut file) {
            Ok(()) => self.event_file = Some(file),
            Err(error) => {
                self.note(&format!("no more events for TensorBoard: cannot write {}: {error}", file.path().shown()));
            }
        }
    }

    /// Prints a line above the bar, or into the log.
    pub fn note(&mut self, line: &str) {
        match &mut self.sink {
            Sink::Bar(bar) => bar.println(printable(line)),
            Sink::Lines(out) => write_line(out, &printable(line)),
            Sink::Json(_) => self.send(&Line::Note { text: line }),
            Sink::Quiet => {}
        }
    }

    /// Sends an event to the program that reads along, if there is one, or tells of it if details are asked for.
    pub fn send(&mut self, event: &Line<'_>) {
        match &mut self.sink {
            Sink::Json(out) => write_line(out, &event.to_json_of(&self.name)),
            Sink::Bar(_) | Sink::Lines(_) if self.verbose => event.words().iter().for_each(|line| self.note(line)),
            _ => {}
        }
    }

    fn is_due(&self, shown: &Snapshot, now: &Snapshot) -> bool {
        let since = now.elapsed.saturating_sub(shown.elapsed);
        match self.sink {
            Sink::Bar(_) => since >= BAR_EVERY,
            Sink::Lines(_) | Sink::Json(_) => {
                since >= LINE_EVERY || (since >= LINE_AFTER && now.epoch.floor() > shown.epoch.floor())
            }
            Sink::Quiet => false,
        }
    }

    fn show(&mut self, snapshot: &Snapshot) {
        self.shown = Some(*snapshot);
        match &mut self.sink {
            Sink::Bar(bar) => {
                if let Some(drawn) = self.live.as_mut().and_then(|live| live.redraw(snapshot.elapsed)) {
                    bar.set_prefix(drawn);
                }
                bar.set_position(snapshot.iteration);
                bar.set_message(short_facts(&self.plan, snapshot, Screen::size().1.saturating_sub(BESIDE_FACTS)));
            }
            Sink::Lines(out) => write_line(out, &facts(&self.plan, snapshot, true)),
            Sink::Json(_) => self.send(&Line::Progress(numbers(&self.plan, snapshot))),
            Sink::Quiet => {}
        }
    }
}

/// The chart above a bar.
#[derive(Default)]
struct Live {
    chart: Chart,
    /// Records so far.
    records: usize,
    drawn: Option<Duration>,
}

impl Live {
    /// The next record. The curve is that of the moving mean from where it is one of [`SMOOTHING`], as in the pictures;
    /// until then that of the records.
    fn push(&mut self, snapshot: &Snapshot) {
        self.records += 1;
        if self.records == SMOOTHING {
            self.chart = Chart::default();
        }
        self.chart.push(if self.records < SMOOTHING { snapshot.loss } else { snapshot.smoothed_loss });
    }

    /// The chart in the terminal's present size, if it is time for it.
    fn redraw(&mut self, now: Duration) -> Option<String> {
        if self.drawn.is_some_and(|drawn| now.saturating_sub(drawn) < CHART_EVERY) {
            return None;
        }
        let (lines, columns) = Screen::size();
        let drawn = self.chart.draw(columns, lines.saturating_sub(OTHER_LINES).min(CHART_LINES))?;
        self.drawn = Some(now);
        Some(drawn)
    }
}

fn bar(plan: Plan, colour: bool, live: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(
        plan.iterations,
        ProgressDrawTarget::term_like_with_hz(Box::new(Screen::new()), 10),
    );
    let template = match (plan.iterations, colour) {
        (Some(_), true) => "{wide_bar:.cyan/blue} {percent:>3}%  {msg}",
        (Some(_), false) => "{wide_bar} {percent:>3}%  {msg}",
        (None, true) => "{spinner:.cyan} {msg}",
        (None, false) => "{spinner} {msg}",
    };
    let chart = if live { "{prefix}\n" } else { "" };
    let style =
        ProgressStyle::with_template(&format!("{chart}{template}")).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    bar
}

/// The facts of a snapshot in one line.
fn facts(plan: &Plan, now: &Snapshot, with_iteration: bool) -> String {
    listed(plan, now, with_iteration).join(BETWEEN)
}

/// The facts of a snapshot that have room on a line, whole ones: the least important are left out first.
fn short_facts(plan: &Plan, now: &Snapshot, room: usize) -> String {
    let mut facts = listed(plan, now, false);
    for dispensable in ["samples/s", "lr "] {
        if facts.join(BETWEEN).chars().count() > room {
            facts.retain(|fact| !fact.contains(dispensable));
        }
    }
    facts.join(BETWEEN)
}

/// What stands between two facts.
const BETWEEN: &str = "  ";

fn listed(plan: &Plan, now: &Snapshot, with_iteration: bool) -> Vec<Cow<'static, str>> {
    let mut facts: Vec<Cow<str>> = vec![match plan.epochs {
        Some(epochs) => format!("epoch {:.1}/{epochs}", now.epoch).into(),
        None => format!("epoch {:.1}", now.epoch).into(),
    }];
    if with_iteration {
        facts.push(match plan.iterations {
            Some(total) => format!("iteration {}/{}", thousands(now.iteration), thousands(total)).into(),
            None => format!("iteration {}", thousands(now.iteration)).into(),
        });
    }
    facts.push(format!("loss {}", scientific(now.smoothed_loss)).into());
    // A solver has no step size.
    if now.learning_rate > 0.0 {
        facts.push(format!("lr {}", scientific(now.learning_rate)).into());
    }
    facts.extend(samples_per_second(plan, now).map(|rate| format!("{} samples/s", thousands(rate)).into()));
    facts.extend(time_left(plan, now).map(|left| format!("{} left", duration(left)).into()));
    facts
}

/// The same for programs.
fn numbers(plan: &Plan, now: &Snapshot) -> Now {
    Now {
        iteration: now.iteration,
        epoch: now.epoch,
        loss: now.loss,
        smoothed_loss: now.smoothed_loss,
        learning_rate: (now.learning_rate > 0.0).then_some(now.learning_rate),
        samples_per_second: samples_per_second(plan, now),
        seconds_left: time_left(plan, now).map(|left| left.as_secs_f64()),
        seconds: now.elapsed.as_secs_f64(),
    }
}

fn samples_per_second(plan: &Plan, now: &Snapshot) -> Option<u64> {
    let seconds = now.elapsed.as_secs_f64();
    let samples = now.samples_seen.saturating_sub(plan.samples_before) as f64;
    (seconds > 0.0 && samples > 0.0).then(|| (samples / seconds).round() as u64)
}

/// The time that the remaining iterations take at the mean pace so far.
fn time_left(plan: &Plan, now: &Snapshot) -> Option<Duration> {
    let done = now.iteration.saturating_sub(plan.iterations_before);
    let remaining = plan.iterations?.checked_sub(now.iteration)?;
    if done == 0 || remaining == 0 {
        return None;
    }
    Duration::try_from_secs_f64(now.elapsed.as_secs_f64() / done as f64 * remaining as f64).ok()
}

#[cfg(test)]
mod tests;
