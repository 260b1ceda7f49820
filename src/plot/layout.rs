//! Places for the nodes of a directed graph, top to bottom: layers by the longest path, order by barycentres (Sugiyama, Tagawa and Toda 1981).

use super::canvas::Point;
use super::spread::{spread, straighten};

/// How far apart things are, in pixels.
pub(super) struct Sizes {
    pub(super) node: (f64, f64),
    /// Between two nodes, and between two lines that pass.
    pub(super) beside: (f64, f64),
    /// Between two layers.
    pub(super) between: f64,
}

/// Where everything is; x starts at 0, y at 0.
pub(super) struct Layout {
    /// The middle of each node.
    pub(super) nodes: Vec<Point>,
    /// For each edge the middles of what it passes through, from its upper node to its lower.
    pub(super) routes: Vec<Vec<Point>>,
    /// Whether the edge points up: it closes a loop.
    pub(super) upwards: Vec<bool>,
    pub(super) size: Point,
}

/// A place in a layer: a node, or where an edge passes.
pub(super) struct Place {
    pub(super) layer: usize,
    pub(super) node: bool,
    pub(super) above: Vec<usize>,
    pub(super) below: Vec<usize>,
    pub(super) x: f64,
}

/// Lays out `count` nodes with edges from the first of a pair to the second, all below `count` and not from a node to itself.
pub(super) fn layout(count: usize, edges: &[(usize, usize)], sizes: &Sizes) -> Layout {
    let upwards = upwards(count, edges);
    let down: Vec<(usize, usize)> = edges.iter().zip(&upwards).map(|(&(a, b), up)| if *up { (b, a) } else { (a, b) }).collect();
    let layers = layers(count, &down);
    let mut places: Vec<Place> =
        layers.iter().map(|layer| Place { layer: *layer, node: true, above: vec![], below: vec![], x: 0.0 }).collect();
    let mut routes: Vec<Vec<usize>> = Vec::new();
    for &(from, to) in &down {
        let mut route = vec![from];
        for layer in layers[from] + 1..layers[to] {
            places.push(Place { layer, node: false, above: vec![], below: vec![], x: 0.0 });
            route.push(places.len() - 1);
        }
        route.push(to);
        for pair in route.windows(2) {
            places[pair[0]].below.push(pair[1]);
            places[pair[1]].above.push(pair[0]);
        }
        routes.push(route);
    }
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)];
    for (i, place) in places.iter().enumerate() {
        rows[place.layer].push(i);
    }
    order(&mut rows, &places);
    spread(&rows, &mut places, sizes);
    straighten(&rows, &mut places, &routes, sizes);

    let half = |place: &Place| if place.node { sizes.node.0 / 2.0 } else { sizes.beside.1 / 2.0 };
    let left = places.iter().map(|p| p.x - half(p)).fold(f64::INFINITY, f64::min);
    let right = places.iter().map(|p| p.x + half(p)).fold(f64::NEG_INFINITY, f64::max);
    let pitch = sizes.node.1 + sizes.between;
    let at = |i: &usize| (places[*i].x - left, places[*i].layer as f64 * pitch + sizes.node.1 / 2.0);
    Layout {
        nodes: (0..count).map(|i| at(&i)).collect(),
        routes: routes.iter().map(|route| route.iter().map(at).collect()).collect(),
        upwards,
        size: (f64::max(right - left, 0.0), (rows.len() as f64 * pitch - sizes.between).max(0.0)),
    }
}

/// Which edges close a loop: those that a walk from the first node on finds leading back to where it came from.
fn upwards(count: usize, edges: &[(usize, usize)]) -> Vec<bool> {
    let mut upwards = vec![false; edges.len()];
    // 0 not seen, 1 on the way, 2 done
    let mut state = vec![0; count];
    for start in 0..count {
        let mut way = vec![(start, 0)];
        if state[start] == 0 {
            state[start] = 1;
        } else {
            continue;
        }
        while let Some((node, next)) = way.pop() {
            let Some(edge) = (next..edges.len()).find(|e| edges[*e].0 == node) else {
                state[node] = 2;
                continue;
            };
            way.push((node, edge + 1));
            let to = edges[edge].1;
            match state[to] {
                0 => {
                    state[to] = 1;
                    way.push((to, 0));
                }
                1 => upwards[edge] = true,
                _ => {}
            }
        }
    }
    upwards
}

/// The longest path from a source to each node; then what has nothing above it moves down to just above what it leads to.
fn layers(count: usize, down: &[(usize, usize)]) -> Vec<usize> {
    let mut layers = vec![0; count];
    // without loops, no path has more edges than there are nodes
    for _ in 0..count {
        let before = layers.clone();
        for &(from, to) in down {
            layers[to] = layers[to].max(layers[from] + 1);
        }
        if layers == before {
            break;
        }
    }
    let sources: Vec<usize> = (0..count).filter(|node| down.iter().all(|edge| edge.1 != *node)).collect();
    for node in sources {
        if let Some(nearest) = down.iter().filter(|edge| edge.0 == node).map(|edge| layers[edge.1]).min() {
            layers[node] = nearest - 1;
        }
    }
    layers
}

/// Finds an order with few crossings: from two first orders, as given and the other way round.
fn order(rows: &mut Vec<Vec<usize>>, places: &[Place]) {
    let mut turned = rows.clone();
    turned.iter_mut().for_each(|row| row.reverse());
    let fewest = sweep(rows, places);
    if sweep(&mut turned, places) < fewest {
        *rows = turned;
    }
}

/// Orders each row by the mean place of its neighbours, down and up in turn, and keeps the order with the fewest crossings: so many.
fn sweep(rows: &mut [Vec<usize>], places: &[Place]) -> usize {
    let (mut best, mut fewest) = (rows.to_vec(), crossings(rows, places));
    for sweep in 0..24 {
        let downwards = sweep % 2 == 0;
        let turn: Vec<usize> = if downwards { (1..rows.len()).collect() } else { (0..rows.len().saturating_sub(1)).rev().collect() };
        for row in turn {
            let beside = if downwards { row - 1 } else { row + 1 };
            let mut rank = vec![0.0; places.len()];
            rows[beside].iter().enumerate().for_each(|(i, place)| rank[*place] = i as f64);
            let mean = |(i, place): (usize, &usize)| {
                let neighbours = if downwards { &places[*place].above } else { &places[*place].below };
                let sum: f64 = neighbours.iter().map(|n| rank[*n]).sum();
                (if neighbours.is_empty() { i as f64 } else { sum / neighbours.len() as f64 }, *place)
            };
            let mut keyed: Vec<(f64, usize)> = rows[row].iter().enumerate().map(mean).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[row] = keyed.into_iter().map(|(_, place)| place).collect();
        }
        swap_neighbours(rows, places);
        let now = crossings(rows, places);
        if now < fewest {
            (best, fewest) = (rows.to_vec(), now);
        }
    }
    rows.clone_from_slice(&best);
    fewest
}

/// Swaps places beside each other as long as that leaves fewer crossings.
fn swap_neighbours(rows: &mut [Vec<usize>], places: &[Place]) {
    let mut rank = vec![0; places.len()];
    for row in rows.iter() {
        row.iter().enumerate().for_each(|(i, place)| rank[*place] = i);
    }
    let crossed =
        |a: &[usize], b: &[usize], rank: &[usize]| a.iter().map(|a| b.iter().filter(|b| rank[**b] < rank[*a]).count()).sum::<usize>();
    for _ in 0..8 {
        let mut better = false;
        for row in rows.iter_mut() {
            for i in 1..row.len() {
                let (a, b) = (&places[row[i - 1]], &places[row[i]]);
                let now = crossed(&a.above, &b.above, &rank) + crossed(&a.below, &b.below, &rank);
                let swapped = crossed(&b.above, &a.above, &rank) + crossed(&b.below, &a.below, &rank);
                if swapped < now {
                    row.swap(i - 1, i);
                    (rank[row[i - 1]], rank[row[i]]) = (i - 1, i);
                    better = true;
                }
            }
        }
        if !better {
            break;
        }
    }
}

/// How many pairs of edges cross between neighbouring rows.
fn crossings(rows: &[Vec<usize>], places: &[Place]) -> usize {
    let mut rank = vec![0; places.len()];
    for row in rows {
        for (i, place) in row.iter().enumerate() {
            rank[*place] = i;
        }
    }
    rows.iter()
        .map(|row| {
            let edges: Vec<(usize, usize)> = row.iter().flat_map(|p| places[*p].below.iter().map(|b| (rank[*p], rank[*b]))).collect();
            edges
                .iter()
                .enumerate()
                .map(|(i, a)| edges[..i].iter().filter(|b| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1)).count())
                .sum::<usize>()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { node: (100.0, 40.0), beside: (20.0, 10.0), between: 30.0 };

    #[test]
    fn every_edge_points_down_and_no_nodes_overlap() {
        // a diamond with a long side and a second root
        let edges = [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4), (5, 4), (0, 4)];
        let found = layout(6, &edges, &SIZES);
        for (from, to) in edges {
            assert!(found.nodes[from].1 < found.nodes[to].1, "{from} → {to}");
        }
        for (i, a) in found.nodes.iter().enumerate() {
            for b in &found.nodes[..i] {
                assert!((a.0 - b.0).abs() >= 119.9 || (a.1 - b.1).abs() >= 69.9, "{a:?} {b:?}");
            }
        }
        // 5 has nothing above it: it stands beside 3, just above 4
        assert_eq!(found.nodes[5].1, found.nodes[3].1);
        assert_eq!(found.upwards, [false; 8]);
    }

    #[test]
    fn a_loop_has_one_edge_that_points_up() {
        let found = layout(3, &[(0, 1), (1, 2), (2, 0)], &SIZES);
        assert_eq!(found.upwards, [false, false, true]);
        assert!(found.nodes[0].1 < found.nodes[1].1 && found.nodes[1].1 < found.nodes[2].1);
    }

    #[test]
    fn crossed_pairs_are_uncrossed() {
        // 0 → 3, 1 → 2: in the order given they cross
        let found = layout(4, &[(0, 3), (1, 2)], &SIZES);
        assert!((found.nodes[0].0 < found.nodes[1].0) == (found.nodes[3].0 < found.nodes[2].0));
    }
}
