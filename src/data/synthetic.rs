//! Made-up data sets: spirals and moons to classify, a sine and Friedman's function to fit.
//!
//! All draw from the seed's own stream, row by row in the order of the formula, so a set of more rows begins with the rows of a
//! smaller one.

use super::{Dataset, Features, Table, Targets};
use crate::rng::{Purpose, Rng};
use std::f64::consts::{PI, TAU};

impl Dataset {
    /// Arms of a spiral, one a class, turning by 4 radians from the centre outwards.
    ///
    /// Row i is of class k = i mod `classes`: with r uniform in [0, 1), ε standard normal and φ = 2π·k/`classes` + 4·r + 0.2·ε,
    /// it is x = r·sin φ, y = r·cos φ. There are at least 2 classes and at least one row a class: smaller numbers are raised.
    /// (The spirals of Stanford's CS231n, but with evenly turned arms and random r.)
    ///
    /// ```
    /// use gradus::data::Dataset;
    /// let spirals = Dataset::spirals(3, 600, 7);
    /// assert_eq!((spirals.len(), spirals.table().width(), spirals.table().targets().outputs()), (600, 2, 3));
    /// ```
    pub fn spirals(classes: usize, rows: usize, seed: u64) -> Dataset {
        let classes = classes.max(2);
        classified(classes, rows, seed, |class, rng| {
            let radius = rng.unit();
            let angle = TAU * class as f64 / classes as f64 + 4.0 * radius + 0.2 * rng.normal();
            [radius * angle.sin(), radius * angle.cos()]
        })
    }

    /// Two half circles that reach into each other: scikit-learn's `make_moons` with `noise=0.1`.
    ///
    /// Row i is of class i mod 2. With t uniform in [0, π), class 0 is (cos t, sin t) and class 1 is (1 − cos t, ½ − sin t),
    /// and to each of x and y 0.1·ε is added, ε standard normal. There are at least two rows: a smaller number is raised.
    /// (scikit-learn spaces t evenly and shuffles.)
    ///
    /// ```
    /// assert_eq!(gradus::data::Dataset::moons(200, 7).len(), 200);
    /// ```
    pub fn moons(rows: usize, seed: u64) -> Dataset {
        classified(2, rows, seed, |class, rng| {
            let (sine, cosine) = (PI * rng.unit()).sin_cos();
            let [x, y] = if class == 0 { [cosine, sine] } else { [1.0 - cosine, 0.5 - sine] };
            [x + 0.1 * rng.normal(), y + 0.1 * rng.normal()]
        })
    }

    /// A surface to fit: y = 10·sin(π·x₁·x₂) + 20·(x₃ − ½)² + 10·x₄ + 5·x₅ + ε, with ten features uniform in [0, 1), of which five are of no use, and
    /// ε standard normal: scikit-learn's `make_friedman1` with `noise=1`. Friedman 1991. There is at least one row.
    ///
    /// ```
    /// assert_eq!(gradus::data::Dataset::friedman(100, 7).table().width(), 10);
    /// ```
    pub fn friedman(rows: usize, seed: u64) -> Dataset {
        let mut rng = Rng::new(seed, Purpose::Synthetic, 0);
        let (mut features, mut values) = (Vec::new(), Vec::new());
        for _ in 0..rows.max(1) {
            let x: [f64; 10] = std::array::from_fn(|_| rng.unit());
            let y = 10.0 * (PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 10.0 * x[3] + 5.0 * x[4] + rng.normal();
            features.extend(x.map(|x| x as f32));
            values.push(y as f32);
        }
        let names = (1..=10).map(|i| format!("x{i}")).collect();
        let targets = Targets::Values { of: values, names: vec!["y".into()] };
        Dataset::new(Table::new(Features::F32(features), names, targets).expect("every number is finite"))
    }

    /// A curve to fit: y = sin x + 0.05·ε, with x uniform in [−π, π) and ε standard normal. There is at least one row.
    ///
    /// ```
    /// assert_eq!(gradus::data::Dataset::sine(100, 7).table().names(), ["x"]);
    /// ```
    pub fn sine(rows: usize, seed: u64) -> Dataset {
        let mut rng = Rng::new(seed, Purpose::Synthetic, 0);
        let (x, y) = (0..rows.max(1))
            .map(|_| {
                let x = TAU * rng.unit() - PI;
                (x as f32, (x.sin() + 0.05 * rng.normal()) as f32)
            })
            .unzip();
        let targets = Targets::Values { of: y, names: vec!["y".into()] };
        Dataset::new(Table::new(Features::F32(x), vec!["x".into()], targets).expect("one feature, one target, all finite"))
    }
}

/// Points in the plane, of the classes 0, 1, … in turn.
fn classified(classes: usize, rows: usize, seed: u64, point: impl Fn(usize, &mut Rng) -> [f64; 2]) -> Dataset {
    let mut rng = Rng::new(seed, Purpose::Synthetic, 0);
    let rows = rows.max(classes);
    let features = (0..rows).flat_map(|row| point(row % classes, &mut rng)).map(|v| v as f32).collect();
    let targets = Targets::Classes {
        of: (0..rows).map(|row| (row % classes) as u32).collect(),
        names: (0..classes).map(|class| class.to_string()).collect(),
    };
    let names = vec!["x".into(), "y".into()];
    Dataset::new(Table::new(Features::F32(features), names, targets).expect("two features and a class a row, all finite"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(data: &Dataset) -> Vec<(usize, f64, f64)> {
        let (Features::F32(values), Targets::Classes { of, .. }) = (data.table().features(), data.table().targets()) else {
            panic!("other types of features or targets")
        };
        of.iter().zip(values.chunks(2)).map(|(&class, v)| (class as usize, v[0].into(), v[1].into())).collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn spirals_lie_on_their_arms() {
        let points = points(&Dataset::spirals(3, 3000, 1));
        let (mut radii, mut squares) = (Vec::new(), Vec::new());
        for &(class, x, y) in &points {
            let radius = x.hypot(y);
            assert!(radius < 1.0 + 1e-6, "{radius}");
            // sin and cos are exchanged on purpose: the angle is measured from the y axis
            let off = x.atan2(y) - TAU * class as f64 / 3.0 - 4.0 * radius;
            let off = off - TAU * (off / TAU).round();
            assert!(off.abs() < 0.2 * 5.0, "class {class}: {off} from the arm");
            radii.push(radius);
            squares.push(off * off);
        }
        // uniform radii: mean ½, standard error √(1/12/3000) = 0.0053; noise: variance 0.04, standard error 0.04·√(2/3000) = 0.001
        assert!((mean(&radii) - 0.5).abs() < 0.022, "{}", mean(&radii));
        assert!((mean(&squares) - 0.04).abs() < 0.0042, "{}", mean(&squares));
    }

    #[test]
    fn moons_lie_on_their_half_circles() {
        let mut squares = Vec::new();
        for (class, x, y) in points(&Dataset::moons(2000, 1)) {
            // the moons are the upper half of a circle about (0, 0) and the lower half of one about (1, ½)
            let (x, y) = if class == 0 { (x, y) } else { (x - 1.0, 0.5 - y) };
            assert!(y > -0.55, "class {class} has a point at {y} on the wrong side");
            squares.push((x.hypot(y) - 1.0).powi(2));
        }
        // the distance from the circle has the noise's variance 0.01, standard error 0.01·√(2/2000) = 0.0003
        assert!((mean(&squares) - 0.01).abs() < 0.0015, "{}", mean(&squares));
    }

    #[test]
    fn sine_follows_the_sine() {
        let data = Dataset::sine(2000, 1);
        let (Features::F32(x), Targets::Values { of: y, .. }) = (data.table().features(), data.table().targets()) else {
            panic!("other types of features or targets")
        };
        assert!(x.iter().all(|x| x.abs() <= std::f32::consts::PI));
        let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
        let squares: Vec<f64> = x.iter().zip(y).map(|(x, &y)| (f64::from(y) - x.sin()).powi(2)).collect();
        // uniform x: mean 0, standard error 2π/√12/√2000 = 0.041; noise: variance 0.0025, standard error 0.0025·√(2/2000) = 0.00008
        assert!(mean(&x).abs() < 0.17, "{}", mean(&x));
        assert!((mean(&squares) - 0.0025).abs() < 0.0004, "{}", mean(&squares));
    }

    #[test]
    fn the_seed_decides_and_the_classes_take_turns() {
        for make in [|seed| Dataset::spirals(5, 23, seed), |seed| Dataset::moons(23, seed), |seed| Dataset::sine(23, seed)] {
            assert_eq!(make(1).table(), make(1).table());
            assert_ne!(make(1).table(), make(2).table());
        }
        let classes: Vec<usize> = points(&Dataset::spirals(5, 7, 1)).iter().map(|p| p.0).collect();
        assert_eq!(classes, [0, 1, 2, 3, 4, 0, 1]);
        assert_eq!(points(&Dataset::moons(4, 3))[..], points(&Dataset::moons(9, 3))[..4]);
    }

    #[test]
    fn too_small_numbers_are_raised() {
        let spirals = Dataset::spirals(0, 0, 1);
        assert_eq!((spirals.len(), spirals.table().targets().outputs()), (2, 2));
        assert_eq!((Dataset::moons(0, 1).len(), Dataset::sine(0, 1).len()), (2, 1));
    }
}
