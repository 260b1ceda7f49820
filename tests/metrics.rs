//! scikit-learn's numbers (`tests/golden/metrics.json`) against ours: of a model's own evaluation on every device, and of the kernels and the
//! functions of the host alone, in `f64`.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod devices;

use devices::devices;
use gradus::data::{Features, Table, Targets};
use gradus::exec::cpu::Cpu;
use gradus::exec::{Executor, OpenDevice};
use gradus::kernel::{Part, Rate, Row, Step};
use gradus::kernels::metrics::{self as kernels, Errors, Hits};
use gradus::metrics::{Confusion, METRICS, Scores, Sums, auroc, average_precision, log_loss};
use gradus::model::{Init, Layer};
use gradus::plan::{Buf, Builder, Kind, padded};
use gradus::{Dataset, Device, Loss, Model, Trainer};
use serde_json::Value;

fn golden() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// What a model scores that hands its features on as they are: a dense layer whose weight is the unit matrix.
fn scores(device: &OpenDevice, loss: Loss, outputs: usize, features: Vec<f32>, targets: Targets) -> Scores {
    let names = (0..outputs).map(|i| format!("z{i}")).collect();
    scores_of(device, loss, outputs, Table::new(Features::F32(features), names, targets).unwrap())
}

fn scores_of(device: &OpenDevice, loss: Loss, outputs: usize, table: Table) -> Scores {
    let data = Dataset::new(table);
    let model = Model::input(outputs).layer(Layer::Dense { outputs, bias: false, init: Init::Zeros });
    let unit: Vec<f32> = (0..outputs * outputs).map(|i| if i % (outputs + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unit.safetensors");
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![outputs, outputs], bytemuck::cast_slice(&unit)).unwrap();
    std::fs::write(&path, safetensors::serialize([("0.weight", view)], None).unwrap()).unwrap();
    let weights = gradus::model::Weights::load(&path).unwrap();
    // batches that do not divide the rows
    let mut training = Trainer::new(model, loss).weights(weights).batch(16).build_on(device.clone()).unwrap();
    training.evaluate(&data).unwrap().remove(0)
}

fn compare(note: &Value, wanted: &Value, scores: &Scores, allowed: f64) {
    for (name, value) in wanted.as_object().unwrap() {
        let (got, wanted) = (scores.get(name).unwrap_or(f64::NAN), value.as_f64().unwrap());
        assert!((got - wanted).abs() <= allowed * wanted.abs().max(1.0), "{note}: {name} is {got}, should be {wanted}");
    }
}

#[test]
fn classifiers_have_scikit_learns_scores() {
    let golden = golden();
    let cases = golden["classifiers"].as_array().unwrap();
    assert!(cases.len() >= 16);
    for device in devices() {
        for case in cases {
            let (classes, outputs) = (case["classes"].as_u64().unwrap() as usize, case["outputs"].as_u64().unwrap() as usize);
            let of = case["y"].as_array().unwrap().iter().map(|y| y.as_u64().unwrap() as u32).collect();
            let targets = Targets::Classes { of, names: (0..classes).map(|c| c.to_string()).collect() };
            let loss = if outputs == 1 { Loss::named("binary_cross_entropy").unwrap() } else { Loss::cross_entropy() };
            let scores = scores(&device, loss, outputs, list(&case["z"]), targets);
            compare(&case["note"], &case["metrics"], &scores, 1e-9);
            let counts: Vec<u64> = case["confusion"].as_array().unwrap().iter().map(|c| c.as_u64().unwrap()).collect();
            assert_eq!(scores.confusion.as_ref().unwrap().counts(), counts, "{}", case["note"]);
            // the loss is the log-loss, worked out in f32 on the device
            assert!((scores.loss - scores.get("log_loss").unwrap()).abs() < 1e-5, "{}", case["note"]);
            let absent = case["metrics"].get("auroc").is_none();
            assert_eq!(scores.get("auroc").unwrap().is_nan(), absent, "{}", case["note"]);
        }
    }
}

#[test]
fn regressions_have_scikit_learns_scores() {
    let golden = golden();
    for device in devices() {
        for case in golden["regressions"].as_array().unwrap() {
            let outputs = case["outputs"].as_u64().unwrap() as usize;
            let targets = Targets::Values { of: list(&case["t"]), names: (0..outputs).map(|c| c.to_string()).collect() };
            let scores = scores(&device, Loss::mse(), outputs, list(&case["p"]), targets);
            // sums of squares in f32 over a batch
            compare(&case["note"], &case["metrics"], &scores, 1e-6);
        }
    }
}

#[test]
fn targets_in_units_of_their_own_have_the_scores_of_the_whole() {
    let golden = golden();
    for device in devices() {
        for case in golden["regressions"].as_array().unwrap() {
            let outputs = case["outputs"].as_u64().unwrap() as usize;
            // powers of two, so that nothing is rounded
            let units: Vec<f32> = (0..outputs).map(|j| [4.0, 0.5, 2.0][j % 3]).collect();
            let in_units = |values: Vec<f32>| values.iter().zip(units.iter().cycle()).map(|(x, unit)| x / unit).collect::<Vec<f32>>();
            let names = || (0..outputs).map(|c| c.to_string()).collect::<Vec<_>>();
            let targets = Targets::Values { of: in_units(list(&case["t"])), names: names() };
            let table = Table::new(Features::F32(in_units(list(&case["p"]))), names(), targets).unwrap().with_units(units).unwrap();
            compare(&case["note"], &case["metrics"], &scores_of(&device, Loss::mse(), outputs, table), 1e-6);
        }
    }
}

#[test]
fn every_metric_of_the_table_is_worked_out_for_some_task() {
    let classes =
        |k: usize| Targets::Classes { of: (0..12).map(|i| i % k as u32).collect(), names: (0..k).map(|c| c.to_string()).collect() };
    let device = Device::Cpu.open().unwrap();
    let of_classes = scores(&device, Loss::cross_entropy(), 6, (0..72).map(|i| (i % 7) as f32).collect(), classes(6));
    let targets = Targets::Values { of: (0..12).map(|i| i as f32).collect(), names: vec!["y".into()] };
    let of_numbers = scores(&device, Loss::mse(), 1, (0..12).map(|i| (i % 7) as f32).collect(), targets);
    for metric in METRICS {
        assert!(of_classes.get(metric.name).is_some() || of_numbers.get(metric.name).is_some(), "{}", metric.name);
    }
}

#[test]
fn answers_are_judged_behind_their_link() {
    // the logarithm of a rate: exp(0) = 1 and exp(ln 3) = 3 are the targets to the rounding
    let targets = Targets::Values { of: vec![1.0, 3.0], names: vec!["count".into()] };
    for device in devices() {
        let scores = scores(&device, Loss::named("poisson").unwrap(), 1, vec![0.0, 3f32.ln()], targets.clone());
        assert!(scores.get("mse").unwrap() < 1e-12, "{scores:?}");
    }
}

const MEMBERS: usize = 3;
const BATCH: usize = 16;

/// What a kernel alone is made with: outputs a row, the stride of a row, the rows of the set, and the buffers predictions, targets, order,
/// records and counts; and the targets' units, which are 1.
struct Alone {
    outputs: u32,
    stride: u32,
    order_stride: u32,
    buffers: [Buf; 5],
    units: Buf,
}

/// Runs one kernel on the CPU path in `f64` for three members, over batches that do not divide the rows, from the last row to the first.
/// Gives each member's sums of the records, and its counts.
fn alone(outputs: usize, classes: usize, p: &[f32], targets: &Targets, add: impl Fn(&mut Builder, &Alone)) -> Vec<([f64; 2], Vec<u64>)> {
    let (n, stride, cells) = (p.len() / outputs, padded(outputs), classes * classes);
    let mut builder = Builder::new(MEMBERS, 1);
    let predictions = builder.buffer("predictions", Kind::F32, MEMBERS * BATCH * stride);
    let truth = match targets {
        Targets::Classes { .. } => builder.buffer("classes", Kind::U32, n),
        Targets::Values { .. } => builder.buffer("values", Kind::F32, n * outputs),
    };
    let order = builder.buffer("order", Kind::U32, MEMBERS * n);
    let stats = builder.buffer("stats", Kind::F32, MEMBERS * BATCH * 4);
    let counts = builder.buffer("counts", Kind::U32, MEMBERS * cells);
    let units = builder.buffer("units", Kind::F32, outputs);
    let program = builder.program("metrics");
    let buffers = [predictions, truth, order, stats, counts];
    add(&mut builder, &Alone { outputs: outputs as u32, stride: stride as u32, order_stride: n as u32, buffers, units });
    let mut executor = Cpu::<f64>::new(builder.finish().unwrap());
    match targets {
        Targets::Classes { of, .. } => executor.write_words(truth, 0, of).unwrap(),
        Targets::Values { of, .. } => executor.write(truth, 0, of).unwrap(),
    }
    executor.write(units, 0, &vec![1.0; outputs]).unwrap();
    let rows: Vec<u32> = (0..n as u32).rev().collect();
    (0..MEMBERS).for_each(|m| executor.write_words(order, m * n, &rows).unwrap());
    let mut sums = [[0.0; 2]; MEMBERS];
    for (batch, rows) in rows.chunks(BATCH).enumerate() {
        for (i, &row) in rows.iter().enumerate() {
            for m in 0..MEMBERS {
                executor.write(predictions, (m * BATCH + i) * stride, &p[row as usize * outputs..][..outputs]).unwrap();
            }
        }
        let mut table = Step::table(MEMBERS);
        let rates = [Rate::default(); MEMBERS];
        Step::push(&mut table, &Row { rows: rows.len(), start: batch * BATCH, slot: 0, number: 0, part: Part::WHOLE, rates: &rates });
        executor.run(program, &table).unwrap();
        for (m, sums) in sums.iter_mut().enumerate() {
            let records = executor.read_wide(stats, m * BATCH * 4, rows.len() * 4).unwrap();
            records.chunks(4).for_each(|record| *sums = [sums[0] + record[0], sums[1] + record[1]]);
        }
    }
    let counts: Vec<u64> = executor.read_words(counts, 0, MEMBERS * cells).unwrap().into_iter().map(u64::from).collect();
    (0..MEMBERS).map(|m| (sums[m], counts[m * cells..][..cells].to_vec())).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn close(note: &Value, name: &str, got: f64, wanted: f64, allowed: f64) {
    assert!((got - wanted).abs() <= allowed * wanted.abs(), "{note}: {name} is {got}, should be {wanted}");
}

#[test]
fn counts_of_the_kernels_alone_give_scikit_learns_numbers() {
    for case in golden()["classifiers"].as_array().unwrap() {
        let (note, classes) = (&case["note"], case["classes"].as_u64().unwrap() as usize);
        let (outputs, z) = (case["outputs"].as_u64().unwrap() as usize, list(&case["z"]));
        let of: Vec<u32> = case["y"].as_array().unwrap().iter().map(|y| y.as_u64().unwrap() as u32).collect();
        let rows = of.len() as f64;
        let targets = Targets::Classes { of: of.clone(), names: (0..classes).map(|c| c.to_string()).collect() };
        let counted = alone(
            outputs,
            classes,
            &z,
            &targets,
            |builder, &Alone { outputs, stride, order_stride, buffers: [p, t, o, _, counts], .. }| {
                let (rows, members) = (BATCH as u32, MEMBERS as u32);
                let kernel = kernels::Confusion { rows, outputs, stride, order_stride, members, classes: classes as u32 };
                builder.dispatch(&kernel, &[p, t, o, counts], "metrics");
            },
        );
        for (_, counts) in counted {
            let confusion = Confusion::new(classes, counts);
            let wanted: Vec<u64> = case["confusion"].as_array().unwrap().iter().map(|c| c.as_u64().unwrap()).collect();
            assert_eq!(confusion.counts(), wanted, "{note}");
            close(note, "kappa", confusion.kappa(), case["kappa"].as_f64().unwrap(), 1e-12);
            let each = confusion.per_class();
            for (name, of) in [("precision", 0), ("recall", 1), ("f1", 2), ("support", 3)] {
                let wanted = numbers(&case["per_class"][name]);
                assert_eq!(each.len(), wanted.len(), "{note}");
                for (scores, wanted) in each.iter().zip(wanted) {
                    close(note, name, [scores.precision, scores.recall, scores.f1, scores.support as f64][of], wanted, 1e-12);
                }
            }
            let scores = Scores::classification(0.0, confusion, None);
            for (name, got) in &scores.metrics {
                close(note, name, *got, case["metrics"][name].as_f64().unwrap(), 1e-12);
            }
        }
        // the first of the record against the accuracy, whatever the second is asked for
        let mut tops: Vec<(u32, f64)> =
            case["top"].as_object().unwrap().iter().map(|(k, v)| (k.parse().unwrap(), v.as_f64().unwrap())).collect();
        if outputs == 1 {
            // one place is the answer itself; two hold both classes
            tops.extend([(1, case["metrics"]["accuracy"].as_f64().unwrap()), (2, 1.0)]);
        }
        for (top, share) in tops {
            let counted = alone(
                outputs,
                classes,
                &z,
                &targets,
                |builder, &Alone { outputs, stride, order_stride, buffers: [p, t, o, stats, _], .. }| {
                    let hits = Hits { rows: BATCH as u32, outputs, stride, order_stride, members: MEMBERS as u32, top };
                    builder.dispatch(&hits, &[p, t, o, stats], "metrics");
                },
            );
            for ([hits, among], _) in counted {
                close(note, "hits", hits / rows, case["metrics"]["accuracy"].as_f64().unwrap(), 1e-12);
                close(note, &format!("top {top}"), among / rows, share, 1e-12);
            }
        }
        for (name, metric) in
            [("auroc", auroc as fn(&[f32], usize, &[u32]) -> f64), ("average_precision", average_precision), ("log_loss", log_loss)]
        {
            match case["metrics"].get(name) {
                Some(wanted) => close(note, name, metric(&z, classes, &of), wanted.as_f64().unwrap(), 1e-9),
                None => assert!(metric(&z, classes, &of).is_nan(), "{note}: {name}"),
            }
        }
    }
}

#[test]
fn errors_of_the_kernel_alone_give_scikit_learns_numbers() {
    let golden = golden();
    let cases = golden["regressions"].as_array().unwrap();
    assert!(cases.iter().any(|case| case["note"].as_str().unwrap().starts_with("a constant target")));
    for case in cases {
        let (p, t, k) = (list(&case["p"]), list(&case["t"]), case["outputs"].as_u64().unwrap() as usize);
        let rows = t.len() / k;
        let mean = |c: usize| t.iter().skip(c).step_by(k).map(|&t| f64::from(t)).sum::<f64>() / rows as f64;
        let spread = (0..k).map(|c| t.iter().skip(c).step_by(k).map(|&t| (f64::from(t) - mean(c)).powi(2)).sum::<f64>()).sum();
        let targets = Targets::Values { of: t.clone(), names: (0..k).map(|c| c.to_string()).collect() };
        let summed = alone(k, 0, &p, &targets, |builder, &Alone { outputs, stride, order_stride, buffers: [p, t, o, stats, _], units }| {
            let errors = Errors { rows: BATCH as u32, outputs, stride, order_stride, members: MEMBERS as u32, link: 0 };
            builder.dispatch(&errors, &[p, t, o, stats, units], "metrics");
        });
        for ([squares, absolutes], _) in summed {
            let scores = Scores::regression(0.0, Sums { rows, outputs: k, squares, absolutes, spread });
            assert_eq!(scores.metrics.len(), case["metrics"].as_object().unwrap().len());
            for (name, got) in &scores.metrics {
                close(&case["note"], name, *got, case["metrics"][name].as_f64().unwrap(), 1e-9);
            }
        }
    }
}

#[test]
fn an_output_that_is_not_finite_is_no_hit_among_several() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let targets = Targets::Classes { of: vec![6, 7], names: (0..8).map(|c| c.to_string()).collect() };
        // the first row's own output is bad, and nothing is larger than a NaN; the second's is the largest of finite ones
        let mut z = vec![bad; 8];
        z.extend([0.0; 7]);
        z.push(1.0);
        let counted = alone(8, 0, &z, &targets, |builder, &Alone { outputs, stride, order_stride, buffers: [p, t, o, stats, _], .. }| {
            let hits = Hits { rows: BATCH as u32, outputs, stride, order_stride, members: MEMBERS as u32, top: 5 };
            builder.dispatch(&hits, &[p, t, o, stats], "metrics");
        });
        for ([_, among], _) in counted {
            assert_eq!(among, 1.0, "{bad}");
        }
    }
}
