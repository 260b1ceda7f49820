//! Where a value stopped being finite: the step that went wrong, once more, dispatch by dispatch.

use super::beats::Beat;
use super::session::{Session, push};
use crate::error::Result;
use crate::kernel::Step;
use crate::plan::{Kind, Tensor};

const REMEDY: &str = "lower the learning rate, clip the norm ([clip] norm = 1.0) or scale the data";

impl Session {
    /// Runs the step again that went wrong, dispatch by dispatch, and says in which layer and quantity a value stopped being finite.
    /// The parameters are still those from before it: a step with such values is not applied.
    pub(crate) fn find_fault(&mut self, member: usize, beat: &Beat, number: usize, rates: &[[f32; 3]]) -> Result<String> {
        let Some(program) = self.compiled.train else { return Ok("unknown".into()) };
        let (program, _) = self.ready(program, std::slice::from_ref(beat))?;
        let rows = beat.rows;
        let mut table = Step::table(self.members);
        push(&mut table, beat, 0, number, rates);
        for number in 0..self.compiled.plan.program(program).dispatches.len() {
            self.executor.run_one(program, number, &table)?;
            let dispatch = self.compiled.plan.program(program).dispatches[number].clone();
            for &buf in &dispatch.args {
                let buffer = self.compiled.plan.buffer(buf).clone();
                let of_all = [self.compiled.values, Some(self.compiled.weights), Some(self.compiled.class_weights)];
                let shared = of_all.contains(&Some(buf))
                    || self.compiled.features.contains(&buf)
                    || self.compiled.plan.buffer(buf).name.starts_with("decays");
                if buffer.kind != Kind::F32 || shared || buf == self.compiled.log {
                    continue;
                }
                // of what is per row, only the live rows: beyond them lies what another step left
                let part = buffer.len / self.members;
                let live = if self.compiled.per_row.contains(&buf) { part / self.batch * rows } else { part };
                let values = self.executor.read(buf, member * part, live)?;
                if let Some(value) = values.iter().find(|v| !v.is_finite()) {
                    // where a sum over the gradients overflowed, the largest of them says where it came from
                    let summed = ["norm", "sums"].contains(&dispatch.label.as_str());
                    let largest = if summed { self.largest_gradient(member)? } else { String::new() };
                    return Ok(format!("{}: `{}` became {value}{largest}; {REMEDY}", dispatch.label, buffer.name));
                }
            }
        }
        Ok(format!("the norm of the gradients overflowed{}; {REMEDY}", self.largest_gradient(member)?))
    }

    /// Which tensor has the largest finite gradient: where a sum that overflowed came from.
    fn largest_gradient(&mut self, member: usize) -> Result<String> {
        let arena = self.read_arena(self.compiled.runs(&self.compiled.grads, member))?;
        let size = |tensor: &Tensor| tensor.unpack(&arena).iter().map(|g| g.abs()).filter(|g| g.is_finite()).fold(0.0, f32::max);
        let largest = self.compiled.tensors.iter().map(|tensor| (size(tensor), &tensor.name)).max_by(|a, b| a.0.total_cmp(&b.0));
        Ok(largest.map(|(size, name)| format!(" (the largest gradient is {size:.1e}, in `{name}`)")).unwrap_or_default())
    }
}
