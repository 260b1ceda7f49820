//! The messages of an event file, as `tensorflow/core/util/event.proto` and `framework/summary.proto` number their fields: those that are written here.

use prost::{Message, Oneof};

/// `tensorflow.Event`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    pub(super) what: Option<What>,
}

/// `tensorflow.Event.what`.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(super) value: Vec<Value>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, tag = "1")]
    pub(super) tag: String,
    #[prost(oneof = "Number", tags = "2, 5")]
    pub(super) number: Option<Number>,
}

/// `tensorflow.Summary.Value.value`.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Number {
    #[prost(float, tag = "2")]
    Simple(f32),
    #[prost(message, tag = "5")]
    Histogram(Histogram),
}

/// `tensorflow.HistogramProto`: a bucket ends at its limit and begins at the one before it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(double, tag = "1")]
    pub(super) min: f64,
    #[prost(double, tag = "2")]
    pub(super) max: f64,
    #[prost(double, tag = "3")]
    pub(super) num: f64,
    #[prost(double, tag = "4")]
    pub(super) sum: f64,
    #[prost(double, tag = "5")]
    pub(super) sum_squares: f64,
    #[prost(double, repeated, tag = "6")]
    pub(super) bucket_limit: Vec<f64>,
    #[prost(double, repeated, tag = "7")]
    pub(super) bucket: Vec<f64>,
}

impl Histogram {
    /// So many buckets of the same width between the smallest and the largest number; those that are not finite are left out.
    pub(super) fn of(values: &[f32], buckets: usize) -> Self {
        let finite = || values.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v));
        let (min, max) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), v| (min.min(v), max.max(v)));
        if min > max {
            return Histogram::default();
        }
        let buckets = if min == max { 1 } else { buckets };
        let width = (max - min) / buckets as f64;
        let mut bucket = vec![0.0; buckets];
        // 0/0, where all numbers are the same, is cast to 0
        finite().for_each(|v| bucket[(((v - min) / width) as usize).min(buckets - 1)] += 1.0);
        Histogram {
            min,
            max,
            num: finite().count() as f64,
            sum: finite().sum(),
            sum_squares: finite().map(|v| v * v).sum(),
            bucket_limit: (1..=buckets).map(|i| if i == buckets { max } else { min + i as f64 * width }).collect(),
            bucket,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_what_is_finite() {
        // 0 and 1 in the first of two buckets of width 2, 2 (on its edge) and 4 in the second; Σ = 7, Σx² = 21
        let of = Histogram::of(&[0.0, 1.0, f32::NAN, 2.0, 4.0, f32::INFINITY], 2);
        assert_eq!((of.min, of.max, of.num, of.sum, of.sum_squares), (0.0, 4.0, 4.0, 7.0, 21.0));
        assert_eq!((of.bucket_limit, of.bucket), (vec![2.0, 4.0], vec![2.0, 2.0]));
        let same = Histogram::of(&[0.5; 3], 30);
        assert_eq!((same.min, same.max, same.bucket_limit, same.bucket), (0.5, 0.5, vec![0.5], vec![3.0]));
        assert_eq!(Histogram::of(&[f32::NAN], 30), Histogram::default());
    }
}
