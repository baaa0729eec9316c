"""Derives the polynomial coefficients of the elementary functions: weighted Remez exchange in 60 digits (needs mpmath)."""

import sys

import mpmath as mp

mp.mp.dps = 60


def remez(function, weight, low, high, terms, rounds=12):
    """Coefficients of the polynomial that minimises max |weight * (polynomial - function)| on [low, high]."""
    low, high = mp.mpf(low), mp.mpf(high)
    count = terms + 1
    nodes = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (i + mp.mpf(1) / 2) / count) for i in range(count)]
    grid_size = 60 * count
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / grid_size) for i in range(grid_size + 1)]
    values = [(function(x), weight(x)) for x in grid]
    for _ in range(rounds):
        matrix = mp.matrix(count, count)
        right = mp.matrix(count, 1)
        for row, x in enumerate(nodes):
            for power in range(terms):
                matrix[row, power] = x**power
            matrix[row, terms] = (-1) ** row / weight(x)
            right[row] = function(x)
        solution = mp.lu_solve(matrix, right)
        coefficients = [solution[i] for i in range(terms)]
        errors = [w * (mp.polyval(coefficients[::-1], x) - f) for x, (f, w) in zip(grid, values)]
        # One extremum per run of equal sign.
        runs, best = [], 0
        for i in range(1, len(grid)):
            if mp.sign(errors[i]) != mp.sign(errors[best]):
                runs.append(best)
                best = i
            elif abs(errors[i]) > abs(errors[best]):
                best = i
        runs.append(best)
        while len(runs) > count:
            runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
        if len(runs) < count:
            break
        nodes = [grid[i] for i in runs]
    return coefficients, max(abs(e) for e in errors)


def taylor_safe(function, series):
    return lambda x: series(x) if abs(x) < mp.mpf(10) ** -6 else function(x)


def atanh_tail(z, skip):
    """(2 atanh(s) - its first `skip` terms) / s**(2 skip + 1), with z = s**2."""
    return mp.nsum(lambda n: 2 * z ** (n - skip) / (2 * n + 1), [skip, mp.inf]) if z > 0 else mp.mpf(2) / (2 * skip + 1)


def series(term, first=0):
    def f(z):
        total, n = mp.mpf(0), first
        while True:
            t = term(n, z)
            total += t
            if abs(t) < mp.mpf(10) ** -58 * max(abs(total), mp.mpf(10) ** -40) or n > 400:
                return total
            n += 1

    return f


R = mp.log(2) / 2 + mp.mpf(2) ** -20
S2 = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * (1 + mp.mpf(2) ** -20)
Q = (mp.pi / 4) ** 2 * (1 + mp.mpf(2) ** -20)
E = mp.mpf(1) / 64 * (1 + mp.mpf(2) ** -20)
exp_tail = series(lambda n, r: r**n / mp.factorial(n + 2))
sin_tail = series(lambda n, z: (-1) ** (n + 1) * z**n / mp.factorial(2 * n + 3))
cos_tail = series(lambda n, z: (-1) ** n * z**n / mp.factorial(2 * n + 4))
sin2pi = series(lambda n, z: (-1) ** n * (2 * mp.pi) ** (2 * n + 1) * z**n / mp.factorial(2 * n + 1))
cos2pi = series(lambda n, z: (-1) ** (n + 1) * (2 * mp.pi) ** (2 * n + 2) * z**n / mp.factorial(2 * n + 2))
log1 = series(lambda n, z: 2 * z**n / (2 * n + 3))
log2 = series(lambda n, z: 2 * z**n / (2 * n + 5))
tiny = mp.mpf(10) ** -12
FITS = {
    # name: (function, weight of its error, low, high, numbers of terms)
    "EXP": (exp_tail, lambda r: abs(r) + tiny, -R, R, (9, 10, 11)),
    "LOG": (log1, lambda z: z / 2 + tiny, 0, S2, (6, 7)),
    "LOG_PAIR": (log2, lambda z: z * z / 2 + tiny, 0, S2, (7, 8)),
    "SIN": (sin_tail, lambda z: z + tiny, 0, Q, (5, 6)),
    "COS": (cos_tail, lambda z: z * z + tiny, 0, Q, (5, 6)),
    "SIN_TURN": (sin2pi, lambda z: mp.mpf(1) / 6, 0, E, (7, 8)),
    "COS_TURN": (cos2pi, lambda z: z + tiny, 0, E, (6,)),
    "EXP_SHORT": (exp_tail, lambda r: abs(r) + tiny, -R, R, (4, 5, 6)),
    "LOG_SHORT": (
        lambda f: mp.log1p(f) / f if f else mp.mpf(1),
        lambda f: 1,
        mp.sqrt(mp.mpf(1) / 2) - 1,
        mp.sqrt(2) - 1,
        (11, 12, 13),
    ),
    "LOG_MEDIUM": (log1, lambda z: z / 2 + tiny, 0, S2, (4,)),
    "SIN_SHORT": (sin_tail, lambda z: z + tiny, 0, Q, (3,)),
    "COS_SHORT": (cos_tail, lambda z: z * z + tiny, 0, Q, (3,)),
}

for name, (function, weight, low, high, sizes) in FITS.items():
    if len(sys.argv) > 1 and name not in sys.argv[1:]:
        continue
    for terms in sizes:
        coefficients, error = remez(function, weight, low, high, terms)
        print(f"// error 2^{float(mp.log(error, 2)):.1f}")
        print(f"const {name}: [f64; {terms}] = [")
        for c in coefficients:
            print(f"    {float(c)!r},")
        print("];")
