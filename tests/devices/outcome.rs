//! What must be the same, to the bit, of two trainings that are one.

use gradus::train::MemberReport;

/// Weights, losses and records of a member, but for the time that they took.
pub(crate) fn outcome(member: &MemberReport) -> String {
    let mut epochs = member.epochs.clone();
    for epoch in &mut epochs {
        epoch.seconds = 0.0;
        // of all but the last epoch they are not in a checkpoint
        epoch.valid.iter_mut().for_each(|valid| valid.confusion = None);
    }
    let losses: Vec<u32> = member.step_losses.iter().map(|loss| loss.to_bits()).collect();
    format!("{} {:?} {} {epochs:?} {losses:?} {:?}", member.weights_hash, member.stopped, member.best_epoch, member.flow)
}
