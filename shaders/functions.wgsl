
// ---- functions.wgsl: what the formulas of activations call, on four numbers --------------------------------------

// 1 / (1 + e⁻ᶻ): the exponential is only taken of what is not positive
fn two_sided_sigmoid(z: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(z));
    return select(e, vec4<f32>(1.0), z >= vec4<f32>()) / (1.0 + e);
}

// eˣ − 1 without cancellation: the series where x is small. Its first term left out is 0.5⁹/9! = 5e-9
fn exp_minus_1(x: vec4<f32>) -> vec4<f32> {
    let s = 1.0 + x / 8.0;
    let series = x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0 * s))))));
    return select(exp(x) - 1.0, series, abs(x) < vec4<f32>(0.5));
}

// ln(1 + x), x in [0, 1], as 2·artanh(x / (2 + x)); the first term left out is (1/9)⁹/19 = 1e-10
fn ln_1_plus(x: vec4<f32>) -> vec4<f32> {
    let s = x / (2.0 + x);
    let q = s * s;
    let tail = 1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q * (1.0 / 15.0 + q / 17.0)));
    return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * tail))));
}

// The error function: its series up to 2.5 would take 30 terms, so Abramowitz and Stegun 7.1.26's successor: minimax polynomials
// below and above 0.92
fn erf(x: vec4<f32>) -> vec4<f32> {
    let a = min(abs(x), vec4<f32>(4.0));
    let q = a * a;
    let near = ((((-5.96761703e-4 * q + 4.99119423e-3) * q - 2.67681349e-2) * q + 1.12819925e-1) * q - 3.76125336e-1) * q + 1.28379166e-1;
    let high = (-1.72853470e-5 * a + 3.83197126e-4) * q + (-3.88396438e-3 * a + 2.42546219e-2);
    let far = ((high * a - 1.06777877e-1) * a - 6.34846687e-1) * a - 1.28717512e-1;
    let value = select(a + a * near, 1.0 - exp(a * far - a), a > vec4<f32>(0.921875));
    return select(value, -value, x < vec4<f32>());
}

fn gelu_tanh_slope(z: vec4<f32>) -> vec4<f32> {
    let twice = 1.5957691216057308 * z * (1.0 + 0.044715 * z * z);
    let s = two_sided_sigmoid(twice);
    let inner = 1.5957691216057308 * (1.0 + 0.134145 * z * z);
    return s + z * s * two_sided_sigmoid(-twice) * inner;
}
