//! Where the time of a training went: kernel by kernel, and as a trace that Perfetto and chrome://tracing show.

use crate::exec::{DeviceTime, HostTime, Timed};
use crate::model::Compiled;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// What the host did for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSpan {
    /// What: `plan`, `pipelines`, `upload`, `run` (handing steps over; on the CPU path, doing them), `read` (waiting, too), `copy`.
    pub work: &'static str,
    /// When it began, in seconds since training began.
    pub start: f64,
    /// Seconds that it took.
    pub seconds: f64,
}

/// A dispatch that was timed.
#[derive(Debug, Clone, PartialEq)]
pub struct DispatchSpan {
    /// Which dispatch of the plan it is: an index into [`Profile::dispatches`].
    pub dispatch: usize,
    /// When it began, in seconds since training began.
    pub start: f64,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Steps that were not timed one by one.
#[derive(Debug, Clone, PartialEq)]
pub struct StepsSpan {
    /// The program.
    pub program: &'static str,
    /// How many of its steps.
    pub steps: usize,
    /// When the first began, in seconds since training began.
    pub start: f64,
    /// Seconds that they took together.
    pub seconds: f64,
}

/// A dispatch of the plan, with all the times that it was run while time was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct DispatchSum {
    /// The program that it belongs to: `train`, `eval`, …
    pub program: &'static str,
    /// The entry point that was run.
    pub entry: &'static str,
    /// What it is for.
    pub label: String,
    /// How often it was timed.
    pub calls: usize,
    /// Seconds of all of these together.
    pub seconds: f64,
    /// Its share of the timed steps of its program, from 0 to 1.
    pub share: f64,
    /// Floating-point operations of one call with a full batch.
    pub flops: u64,
    /// Bytes that one call with a full batch reads and writes.
    pub bytes: u64,
}

impl DispatchSum {
    /// Seconds of a call, the mean.
    pub fn mean(&self) -> f64 {
        self.seconds / self.calls as f64
    }

    /// 10⁹ floating-point operations a second.
    pub fn gflops(&self) -> f64 {
        1e-9 * self.flops as f64 / self.mean().max(f64::MIN_POSITIVE)
    }

    /// 10⁹ bytes a second.
    pub fn gigabytes(&self) -> f64 {
        1e-9 * self.bytes as f64 / self.mean().max(f64::MIN_POSITIVE)
    }
}

/// Where the time of a training went. Not all steps are timed: the first 16 of each run of steps that is handed over, until 256 of a program were; the others are timed together.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The device.
    pub device: String,
    /// What the host did, in order.
    pub host: Vec<HostSpan>,
    /// The dispatches of the plan that were timed, program by program as they first came, in the order in which they run.
    pub dispatches: Vec<DispatchSum>,
    /// Each of the times, in order.
    pub spans: Vec<DispatchSpan>,
    /// The steps between them.
    pub others: Vec<StepsSpan>,
}

impl Profile {
    /// Sums up what was written down since `began` while a model was trained.
    pub fn new(device: &str, compiled: &Compiled, began: Instant, host: &[HostTime], times: &[DeviceTime]) -> Self {
        let since = |at: Instant| at.saturating_duration_since(began).as_secs_f64();
        let host = host.iter().map(|h| HostSpan { work: h.work.name(), start: since(h.began), seconds: h.took.as_secs_f64() }).collect();
        let mut sums: BTreeMap<(usize, usize), DispatchSum> = BTreeMap::new();
        let (mut programs, mut keys, mut spans, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for time in times {
            let (program, start, seconds) = (compiled.plan.program(time.program), since(time.began), time.took.as_secs_f64());
            match time.timed {
                Timed::Steps(steps) => others.push(StepsSpan { program: program.name, steps, start, seconds }),
                Timed::Dispatch { number, entry, writes } => {
                    // what is streamed has a program for each of its buffers, all of one name
                    let place = programs.iter().position(|&known| known == program.name).unwrap_or_else(|| {
                        programs.push(program.name);
                        programs.len() - 1
                    });
                    let key = (place, number);
                    let sum = sums.entry(key).or_insert_with(|| {
                        let dispatch = &program.dispatches[number];
                        let written: Vec<bool> = (0..dispatch.args.len()).map(|i| writes >> i & 1 != 0).collect();
                        let (flops, bytes) = ((dispatch.kernel.flops)(&dispatch.words), compiled.bytes(dispatch, &written));
                        let label = dispatch.label.clone();
                        DispatchSum { program: program.name, entry, label, calls: 0, seconds: 0.0, share: 0.0, flops, bytes }
                    });
                    sum.calls += 1;
                    sum.seconds += seconds;
                    keys.push(key);
                    spans.push(DispatchSpan { dispatch: 0, start, seconds });
                }
            }
        }
        let numbers: BTreeMap<_, _> = sums.keys().copied().zip(0..).collect();
        spans.iter_mut().zip(&keys).for_each(|(span, key)| span.dispatch = numbers[key]);
        let mut dispatches: Vec<DispatchSum> = sums.into_values().collect();
        let total = |program: &str| dispatches.iter().filter(|d| d.program == program).map(|d| d.seconds).sum::<f64>();
        let totals: Vec<f64> = dispatches.iter().map(|d| total(d.program)).collect();
        dispatches.iter_mut().zip(totals).for_each(|(d, total)| d.share = d.seconds / total.max(f64::MIN_POSITIVE));
        Profile { device: device.to_string(), host, dispatches, spans, others }
    }

    /// The trace as Chrome's tracing and Perfetto read it: JSON with a track for the host and one for the device.
    pub fn to_chrome_trace(&self) -> String {
        let micros = |seconds: f64| (1e9 * seconds).round() / 1e3;
        let named = |what: &str, tid: u32, name: &str| json!({"name": what, "ph": "M", "pid": 1, "tid": tid, "args": {"name": name}});
        let mut events =
            vec![named("process_name", HOST, "gradus"), named("thread_name", HOST, "host"), named("thread_name", DEVICE, &self.device)];
        let complete = |name: &str, category: &str, tid: u32, start: f64, seconds: f64| json!({"name": name, "cat": category, "ph": "X", "ts": micros(start), "dur": micros(seconds), "pid": 1, "tid": tid});
        events.extend(self.host.iter().map(|h| complete(h.work, "host", HOST, h.start, h.seconds)));
        events.extend(self.spans.iter().map(|span| {
            let dispatch = &self.dispatches[span.dispatch];
            let mut event = complete(dispatch.entry, dispatch.program, DEVICE, span.start, span.seconds);
            event["args"] = json!({"for": dispatch.label, "flop": dispatch.flops, "bytes": dispatch.bytes});
            event
        }));
        let name = |steps: usize| if steps == 1 { "1 step".to_string() } else { format!("{steps} steps") };
        events.extend(self.others.iter().map(|o| complete(&name(o.steps), o.program, DEVICE, o.start, o.seconds)));
        json!({"traceEvents": Value::Array(events), "displayTimeUnit": "ms"}).to_string()
    }
}

/// The tracks.
const HOST: u32 = 1;
const DEVICE: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        let sum = |entry, calls, seconds, share, flops, bytes| DispatchSum {
            program: "train",
            entry,
            label: "layer 0".into(),
            calls,
            seconds,
            share,
            flops,
            bytes,
        };
        Profile {
            device: "a device".into(),
            host: vec![HostSpan { work: "upload", start: 0.5, seconds: 0.25 }],
            dispatches: vec![sum("dense_forward", 2, 0.004, 0.8, 6_000_000, 1_000_000), sum("adam", 1, 0.001, 0.2, 10, 4_000_000)],
            spans: vec![DispatchSpan { dispatch: 1, start: 0.75, seconds: 0.001 }],
            others: vec![StepsSpan { program: "train", steps: 7, start: 1.0, seconds: 0.5 }],
        }
    }

    #[test]
    fn rates_are_those_of_the_mean_call() {
        let dispatch = &profile().dispatches[0];
        // 2 calls in 4 ms are 2 ms each; 6·10⁶ FLOP in 2 ms are 3 GFLOP/s, 10⁶ bytes in 2 ms 0.5 GB/s
        let close = |got: f64, wanted: f64| assert!((got / wanted - 1.0).abs() < 1e-12, "{got}, not {wanted}");
        close(dispatch.mean(), 0.002);
        close(dispatch.gflops(), 3.0);
        close(dispatch.gigabytes(), 0.5);
    }

    #[test]
    fn the_trace_has_a_track_for_the_host_and_one_for_the_device() {
        let trace: Value = serde_json::from_str(&profile().to_chrome_trace()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let whole: Vec<&Value> = events.iter().filter(|e| e["ph"] == "X").collect();
        // times in µs
        assert_eq!(*whole[0], json!({"name": "upload", "cat": "host", "ph": "X", "ts": 500_000.0, "dur": 250_000.0, "pid": 1, "tid": 1}));
        let args = json!({"for": "layer 0", "flop": 10, "bytes": 4_000_000});
        let wanted = json!({"name": "adam", "cat": "train", "ph": "X", "ts": 750_000.0, "dur": 1_000.0, "pid": 1, "tid": 2, "args": args});
        assert_eq!(*whole[1], wanted);
        let wanted = json!({"name": "7 steps", "cat": "train", "ph": "X", "ts": 1_000_000.0, "dur": 500_000.0, "pid": 1, "tid": 2});
        assert_eq!(*whole[2], wanted);
        let names: Vec<_> = events.iter().filter(|e| e["name"] == "thread_name").map(|e| (&e["tid"], &e["args"]["name"])).collect();
        assert_eq!(names, [(&json!(1), &json!("host")), (&json!(2), &json!("a device"))]);
        assert_eq!(whole.len() + 3, events.len());
    }
}
