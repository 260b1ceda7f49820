//! What holds of the plans of random models, step by step: parity, gradients, padding.

use super::{first_step, hold, told};
use gradus::kernel::{Part, Rate, Row, Step};
use gradus::model::Compiled;
use gradus::parity::lockstep;
use gradus::plan::Role;
use gradus::train::FirstStep;

/// Tables of a step each: a full batch, a short one, a full one; where gradients are added up, in two parts each.
fn steps(first: &FirstStep, accumulate: usize) -> Vec<Vec<u32>> {
    let members = first.compiled.plan.members;
    let given = Step::current(&first.table, 0);
    let rates: Vec<Rate> = (0..members).map(|member| given.rate(member)).collect();
    let short = given.rows.div_ceil(2).max(2).min(given.rows);
    let parts = match accumulate {
        1 => vec![Part::WHOLE],
        _ => vec![Part { first: true, last: false }, Part { first: false, last: true }],
    };
    let mut tables = Vec::new();
    for (rows, part) in [given.rows, short, given.rows].into_iter().flat_map(|rows| parts.iter().map(move |&part| (rows, part))) {
        let mut table = Step::table(members);
        Step::push(&mut table, &Row { rows, start: 0, slot: 0, number: tables.len() as u32, part, rates: &rates });
        tables.push(table);
    }
    tables
}

#[test]
fn a_random_plan_computes_what_it_does_in_f64() {
    hold("parity", |random, device| {
        let mut first = first_step(random, device)?;
        let Compiled { eval, predict, ref look, .. } = first.compiled;
        let look = look.as_ref().map(|look| look.program);
        for (n, table) in steps(&first, random.accumulate).iter().enumerate() {
            for program in [Some(first.program), look, Some(eval), Some(predict)].into_iter().flatten() {
                let rows = lockstep(&mut *first.executor, program, table).map_err(told)?;
                if let Some(row) = rows.iter().find(|row| !row.passes()) {
                    let name = first.compiled.plan.program(program).name;
                    return Err(format!("step {n} of {name}: {row:?}"));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_random_models_gradients_are_those_of_finite_differences() {
    hold("back-propagation agrees with finite differences", |random, device| {
        let (train, _) = random.data();
        let device = random.placed(device, &train).map_err(told)?;
        let training = random.trainer_on(&device).build_on(device).map_err(told)?;
        match training.gradcheck(&train, 2).map_err(told)?.into_iter().find(|tensor| !tensor.passes()) {
            Some(tensor) => Err(format!("{tensor:?}")),
            None => Ok(()),
        }
    });
}

#[test]
fn the_padding_of_a_random_models_arenas_stays_zero() {
    hold("padding stays zero", |random, device| {
        let mut first = first_step(random, device)?;
        for table in steps(&first, random.accumulate) {
            first.executor.run(first.program, &table).map_err(told)?;
        }
        let FirstStep { compiled, mut executor, .. } = first;
        let numbers: Vec<usize> = (0..compiled.arena).collect();
        let places = |wanted: fn(Role) -> bool| {
            let mut found = vec![false; compiled.arena];
            let tensors = compiled.tensors.iter().filter(|tensor| wanted(tensor.role));
            tensors.flat_map(|tensor| tensor.unpack(&numbers)).for_each(|at| found[at] = true);
            found
        };
        let (stored, learned) = (places(|_| true), places(Role::is_learned));
        // what is not finite makes padding of gradients not finite, too: such a step is not applied
        let log = executor.read(compiled.log, 0, 4 * compiled.plan.members).map_err(told)?;
        let states = compiled.states.iter().enumerate().map(|(n, state)| (format!("state {n}"), state, &learned));
        let arenas = [("params", &compiled.params, &stored), ("average", &compiled.average, &stored), ("grads", &compiled.grads, &learned)];
        for (name, arena, places) in arenas.map(|(name, arena, places)| (name.to_string(), arena, places)).into_iter().chain(states) {
            for member in (0..compiled.plan.members).filter(|member| name != "grads" || log[4 * member + 3] != 0.0) {
                for (buf, from, of) in compiled.runs(arena, member) {
                    let values = executor.read(buf, from, of.len()).map_err(told)?;
                    if let Some((at, value)) = of.zip(values).find(|&(at, value)| !places[at] && value != 0.0) {
                        return Err(format!("{name} of member {member} is {value} at {at}, which is padding"));
                    }
                }
            }
        }
        Ok(())
    });
}
