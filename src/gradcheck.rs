//! Back-propagation against finite differences in `f64`, on a user's own model and data, tensor by tensor.

use crate::error::Result;
use crate::exec::Executor;
use crate::exec::cpu::Cpu;
use crate::kernel::Step;
use crate::model::Compiled;
use crate::plan::{Kind, Plan, ProgramId, Tensor};
use crate::rng::{Purpose, Rng};

/// Half the distances of the two losses that a difference is taken of, tried in turn until one meets the gradient: what a central difference leaves out
/// is of the order of its square, what rounding adds of the order of 2⁻⁵³ through it. Where the square is not small enough (behind a normalisation of
/// what hardly varies), half the distance and Richardson's extrapolation leave out only the order of the fourth power. In a net with many kinks some lie
/// within the longer distances, and fewer within the shorter; a wrong gradient is met at none.
const STEPS: [f64; 3] = [1e-5, 1e-6, 1e-7];
/// How far each weight is moved before anything is compared, times a draw from N(0, 1): fresh nets have units that stand on a kink exactly (behind biases
/// of 0 and an empty row, say). There back-propagation takes the slope of one side in every layer, and the loss may have neither side's.
const NUDGE: f64 = 1e-2;
/// How far gradient and difference may be apart, relative to the larger of the two, or to a thousandth of the tensor's largest, or to 1e-4 of the
/// loss: below that lies the rounding of the difference, some ten in the last place of the loss where a normalisation enlarges it.
pub const ALLOWED: f64 = 1e-5;

/// What was found of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorCheck {
    /// The tensor's name.
    pub name: String,
    /// How many of its elements were compared.
    pub compared: usize,
    /// How many were left out because a kink (of relu, say) lies within the difference.
    pub kinks: usize,
    /// The largest error, relative as said at [`ALLOWED`].
    pub worst: f64,
    /// The element of it.
    pub at: usize,
    /// Its gradient.
    pub gradient: f64,
    /// Its difference.
    pub difference: f64,
}

impl TensorCheck {
    /// Whether the gradients are right.
    pub fn passes(&self) -> bool {
        self.worst <= ALLOWED
    }
}

/// Compares up to `each` elements of every tensor that is learned, those of member 0, in the step that `table` says. `executor` holds the data and
/// the weights; the plan's gradients must not be clipped. The loss is that of training: dropout drops, normalisation is by the batch.
pub fn gradcheck(
    compiled: &Compiled,
    executor: &mut dyn Executor,
    program: ProgramId,
    table: &[u32],
    each: usize,
) -> Result<Vec<TensorCheck>> {
    let mut cpu = Cpu::<f64>::new(compiled.plan.clone());
    for (n, buffer) in compiled.plan.buffers.iter().enumerate() {
        let buf = Plan::buf(n);
        if buf == Plan::STEPS {
            continue;
        }
        match buffer.kind {
            Kind::F32 => cpu.write(buf, 0, &executor.read(buf, 0, buffer.len)?)?,
            Kind::U32 => cpu.write_words(buf, 0, &executor.read_words(buf, 0, buffer.len)?)?,
        }
    }
    let mut check = Check { compiled, cpu, program, table: table.to_vec() };
    check.without_rate();
    check.nudge();
    let base = check.run()?;
    let grads: Vec<f64> =
        compiled.runs(&compiled.grads, 0).into_iter().flat_map(|(buf, at, of)| check.cpu.values(buf)[at..][..of.len()].to_vec()).collect();
    let places: Vec<usize> = (0..compiled.arena).collect();
    let mut found = Vec::new();
    for (n, tensor) in compiled.tensors.iter().enumerate().filter(|(_, tensor)| tensor.role.is_learned()) {
        found.push(check.tensor(tensor, &grads, &tensor.unpack(&places), &mut Rng::new(1, Purpose::Synthetic, n as u64), each, base)?);
    }
    Ok(found)
}

struct Check<'a> {
    compiled: &'a Compiled,
    cpu: Cpu<f64>,
    program: ProgramId,
    table: Vec<u32>,
}

impl Check<'_> {
    /// The weights are to stay: sets all rates of the step to 0.
    fn without_rate(&mut self) {
        let members = self.compiled.plan.members;
        let first = Step::header(members) + Step::words(members) - 4 * members;
        (0..members).for_each(|member| self.table[first + 4 * member] = 0);
    }

    /// Moves all weights a little: away from where slopes are two.
    fn nudge(&mut self) {
        let places: Vec<usize> = (0..self.compiled.arena).collect();
        let (mut by, mut rng) = (vec![0.0; places.len()], Rng::new(1, Purpose::Init, 0));
        let learned = self.compiled.tensors.iter().filter(|tensor| tensor.role.is_learned());
        learned.flat_map(|tensor| tensor.unpack(&places)).for_each(|at| by[at] = NUDGE * rng.normal());
        for (buf, from, of) in self.compiled.runs(&self.compiled.params, 0) {
            let weights = self.cpu.values(buf);
            for (at, by) in by[of].iter().enumerate() {
                self.cpu.set(buf, from + at, weights[from + at] + by);
            }
        }
    }

    /// The mean loss of member 0.
    fn run(&mut self) -> Result<f64> {
        self.cpu.run(self.program, &self.table)?;
        let total = f64::from(Step::current(&self.table, 0).total(0));
        Ok(self.cpu.values(self.compiled.log)[0] / total)
    }

    fn shifted(&mut self, at: usize, by: f64) -> Result<f64> {
        let (params, at) = self.compiled.place(&self.compiled.params, 0, at);
        let weight = self.cpu.values(params)[at];
        self.cpu.set(params, at, weight + by);
        let loss = self.run();
        self.cpu.set(params, at, weight);
        loss
    }

    /// The losses with a weight moved up and down so far.
    fn sides(&mut self, at: usize, by: f64) -> Result<[f64; 2]> {
        Ok([self.shifted(at, by)?, self.shifted(at, -by)?])
    }

    fn tensor(&mut self, tensor: &Tensor, grads: &[f64], places: &[usize], rng: &mut Rng, each: usize, base: f64) -> Result<TensorCheck> {
        let largest = places.iter().map(|&at| grads[at].abs()).fold(0.0, f64::max);
        let mut chosen: Vec<usize> = rng.permutation(places.len()).into_iter().map(|i| i as usize).take(each).collect();
        chosen.sort_unstable();
        let mut found = TensorCheck { name: tensor.name.clone(), compared: 0, kinks: 0, worst: 0.0, at: 0, gradient: 0.0, difference: 0.0 };
        for i in chosen {
            let at = places[i];
            let scale = |difference: f64| grads[at].abs().max(difference.abs()).max(1e-3 * largest).max(1e-4 * base.abs().max(1.0));
            let error = |difference: f64| (grads[at] - difference).abs() / scale(difference);
            let (mut difference, mut bend) = (f64::NAN, 0.0);
            for step in STEPS {
                let [up, down] = self.sides(at, step)?;
                bend = ((up - base) - (base - down)).abs() / step;
                difference = (up - down) / (2.0 * step);
                if error(difference) > ALLOWED {
                    let [up, down] = self.sides(at, 0.5 * step)?;
                    difference = (4.0 * (up - down) / step - difference) / 3.0;
                }
                if error(difference) <= ALLOWED {
                    break;
                }
            }
            let (scale, error) = (scale(difference), error(difference));
            // where the sides differ by more than a smooth function's could, a kink lies between; so it does where the gradient lies between the sides'
            // slopes and only the difference does not meet it
            if error > ALLOWED && (bend > 1e-3 * scale || (grads[at] - difference).abs() <= bend) {
                found.kinks += 1;
                continue;
            }
            found.compared += 1;
            if error > found.worst || error.is_nan() {
                found = TensorCheck { worst: error, at: i, gradient: grads[at], difference, ..found };
            }
        }
        Ok(found)
    }
}
