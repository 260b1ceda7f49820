// running_stats:  stats[m] = (running mean, 1/√(running var + ε), running var): what evaluation has in place of a batch's own
// running_update: running ← running + momentum·(new − running) for mean and unbiased variance; the counter of batches goes up by one
struct RunningStats { width4: u32, members: u32, arena4: u32, mean4: u32, variance4: u32, epsilon: f32 }
struct RunningUpdate { width4: u32, members: u32, arena4: u32, mean4: u32, variance4: u32, count4: u32, momentum: f32 }

@group(0) @binding(0) var<uniform> s: RunningStats;
@group(0) @binding(0) var<uniform> p: RunningUpdate;
@group(0) @binding(2) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> made: array<vec4<f32>>;

@group(0) @binding(2) var<storage, read> scalars: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> stats: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> running: array<vec4<f32>>;

@compute @workgroup_size(64)
fn running_stats(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 64u);
    if i >= s.width4 { return; }
    let at = 3u * id.z * s.width4 + i;
    let variance = params[id.z * s.arena4 + s.variance4 + i];
    made[at] = params[id.z * s.arena4 + s.mean4 + i];
    made[at + s.width4] = inverseSqrt(variance + s.epsilon);
    made[at + 2u * s.width4] = variance;
}

@compute @workgroup_size(64)
fn running_update(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups, 64u);
    // `sound`: statistics of a batch that is not finite would stay in the running ones for good
    if i >= p.width4 || scalars[2u * id.z + 1u].y == 0.0 { return; }
    let at = 3u * id.z * p.width4 + i;
    let mean = id.z * p.arena4 + p.mean4 + i;
    let variance = id.z * p.arena4 + p.variance4 + i;
    running[mean] += p.momentum * (stats[at] - running[mean]);
    running[variance] += p.momentum * (stats[at + 2u * p.width4] - running[variance]);
    if i == 0u { running[id.z * p.arena4 + p.count4].x += 1.0; }
}
