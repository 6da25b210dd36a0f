//! Where labels go: beside what they name, where nothing else is.

/// An upright rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Its left edge.
    pub left: f64,
    /// Its upper edge: less than the lower one, as pixels are counted.
    pub top: f64,
    /// Its right edge.
    pub right: f64,
    /// Its lower edge.
    pub bottom: f64,
}

impl Rect {
    /// The rectangle of this size around a point.
    pub fn around((x, y): (f64, f64), width: f64, height: f64) -> Self {
        Self { left: x - width / 2.0, top: y - height / 2.0, right: x + width / 2.0, bottom: y + height / 2.0 }
    }

    /// Its middle.
    pub fn middle(&self) -> (f64, f64) {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// The point of the rectangle that is next to `at`.
    pub fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }

    fn overlap(&self, other: &Self) -> f64 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    fn within(&self, outer: &Self) -> bool {
        self.left >= outer.left && self.top >= outer.top && self.right <= outer.right && self.bottom <= outer.bottom
    }
}

/// Where a label is tried, in this order at every distance: right, left, then the corners, then above and below.
const DIRECTIONS: [(f64, f64); 8] =
    [(1.0, 0.0), (-1.0, 0.0), (1.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (-1.0, 1.0), (0.0, -1.0), (0.0, 1.0)];

/// Distances from what is named that are tried, in pixels.
const DISTANCES: [f64; 11] = [0.0, 12.0, 24.0, 36.0, 52.0, 72.0, 96.0, 124.0, 156.0, 192.0, 232.0];

/// Distance between the points that stand for a line, in pixels.
const STEP: f64 = 6.0;

/// Points along a line through `points`, no more than a few pixels apart.
pub fn along(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    points.windows(2).flat_map(|ends| {
        let (dx, dy) = (ends[1].0 - ends[0].0, ends[1].1 - ends[0].1);
        let steps = (dx.hypot(dy) / STEP).ceil().max(1.0);
        (0..=steps as usize).map(move |i| (ends[0].0 + i as f64 / steps * dx, ends[0].1 + i as f64 / steps * dy))
    })
}

/// A part of a picture that fills with labels.
pub struct Labels {
    room: Rect,
    taken: Vec<Rect>,
}

impl Labels {
    /// Room for labels in which some is `taken`.
    pub fn new(room: Rect, taken: Vec<Rect>) -> Self {
        Self { room, taken }
    }

    /// Keeps labels away from something.
    pub fn take(&mut self, taken: Rect) {
        self.taken.push(taken);
    }

    /// Keeps labels away from a line through these points.
    pub fn avoid_line(&mut self, points: &[(f64, f64)]) {
        self.taken.extend(along(points).map(|at| Rect::around(at, STEP, STEP)));
    }

    /// Takes room of this size for a label of what is at any of the points `at`, which reach `radius` far: the first
    /// place that is free, near ones before far ones, or the one with the least in it. Returns the point too.
    pub fn place(&mut self, at: &[(f64, f64)], radius: f64, (width, height): (f64, f64)) -> ((f64, f64), Rect) {
        let candidates = DISTANCES.iter().flat_map(|distance| {
            at.iter().flat_map(move |&at| {
                DIRECTIONS.map(|(dx, dy)| {
                    let reach = radius + distance;
                    // A corner is as far away as a side.
                    let reach = if dx != 0.0 && dy != 0.0 { reach / std::f64::consts::SQRT_2 } else { reach };
                    let middle = (at.0 + dx * (reach + width / 2.0), at.1 + dy * (reach + height / 2.0));
                    (at, Rect::around(middle, width, height))
                })
            })
        });
        let mut best = None;
        let mut least = f64::INFINITY;
        for candidate in candidates.filter(|(_, candidate)| candidate.within(&self.room)) {
            let covered: f64 = self.taken.iter().map(|taken| taken.overlap(&candidate.1)).sum();
            if covered < least {
                (best, least) = (Some(candidate), covered);
            }
            if covered == 0.0 {
                break;
            }
        }
        // Wider than the room: it has to be somewhere.
        let first = at.first().copied().unwrap_or_else(|| self.room.middle());
        let chosen = best.unwrap_or_else(|| (first, Rect::around(first, width, height)));
        self.taken.push(chosen.1);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Rect = Rect { left: 0.0, top: 0.0, right: 1000.0, bottom: 500.0 };

    #[test]
    fn a_label_stands_to_the_right_of_a_lonely_point() {
        let place = Labels::new(ROOM, vec![]).place(&[(100.0, 100.0)], 8.0, (60.0, 20.0)).1;
        assert_eq!(place, Rect { left: 108.0, top: 90.0, right: 168.0, bottom: 110.0 });
    }

    #[test]
    fn labels_of_a_crowd_do_not_overlap_and_stay_in_the_room() {
        let points: Vec<(f64, f64)> =
            (0..24).map(|i| (40.0 * f64::from(i % 6) + 700.0, 250.0 + f64::from(i))).collect();
        let taken: Vec<Rect> = points.iter().map(|&point| Rect::around(point, 14.0, 14.0)).collect();
        let mut labels = Labels::new(ROOM, taken.clone());
        labels.avoid_line(&[(0.0, 200.0), (1000.0, 200.0)]);
        let placed: Vec<Rect> = points.iter().map(|&point| labels.place(&[point], 8.0, (150.0, 20.0)).1).collect();
        for (i, label) in placed.iter().enumerate() {
            assert!(label.within(&ROOM), "{label:?}");
            assert!(label.bottom <= 200.0 || label.top >= 200.0, "{label:?} is crossed by the line");
            assert!(placed[..i].iter().chain(&taken).all(|other| other.overlap(label) == 0.0), "{label:?}");
        }
    }

    #[test]
    fn the_first_point_with_room_beside_it_is_taken() {
        let crowded = Rect::around((100.0, 100.0), 300.0, 60.0);
        let (at, place) = Labels::new(ROOM, vec![crowded]).place(&[(100.0, 100.0), (100.0, 300.0)], 8.0, (60.0, 20.0));
        assert_eq!((at, place.middle()), ((100.0, 300.0), (138.0, 300.0)));
    }

    #[test]
    fn a_label_that_fits_nowhere_is_placed_all_the_same() {
        let place = Labels::new(ROOM, vec![]).place(&[(100.0, 100.0)], 8.0, (2000.0, 20.0)).1;
        assert_eq!(place.middle(), (100.0, 100.0));
        let mut full = Labels::new(ROOM, vec![ROOM]);
        assert!(full.place(&[(500.0, 250.0)], 8.0, (50.0, 20.0)).1.within(&ROOM));
    }
}
