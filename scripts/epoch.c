/* One epoch of the network in C, a yardstick of the benchmark: quadratic cost, BP1 to BP4, plain
 * loops that the compiler makes vectors of. REAL is float or double. Matrices lie row by row, with
 * an example in every row of x and y. Steps of m examples each are taken in the order given. */
#include <math.h>
#include <stddef.h>
#include <string.h>

enum { LAYERS = 8, ROOM = 1 << 16 }; /* layers at most, and activations of a layer in a mini-batch */
static REAL activations[LAYERS][ROOM], deltas[LAYERS][ROOM];

void epoch(int layers, const int *sizes, REAL **w, REAL **b, const REAL *x, const REAL *y,
           const ptrdiff_t *order, ptrdiff_t steps, int m, REAL rate) {
    for (ptrdiff_t s = 0; s < steps; s++, order += m) {
        const REAL *below[LAYERS][ROOM / LAYERS]; /* the inputs of each layer, by example */
        for (int e = 0; e < m; e++) below[0][e] = x + (size_t)order[e] * sizes[0];
        for (int l = 0; l < layers; l++) {
            int in = sizes[l], out = sizes[l + 1];
            for (int e = 0; e < m; e++) {
                REAL *a = activations[l] + (size_t)e * out;
                below[l + 1][e] = a;
                for (int j = 0; j < out; j++) {
                    const REAL *v = w[l] + (size_t)j * in, *u = below[l][e];
                    REAL z = b[l][j];
                    for (int i = 0; i < in; i++) z += v[i] * u[i];
                    a[j] = 1 / (1 + (REAL)exp(-z));
                }
            }
        }
        for (int l = layers - 1; l >= 0; l--) {
            int in = sizes[l], out = sizes[l + 1];
            for (int e = 0; e < m; e++) {
                REAL *d = deltas[l] + (size_t)e * out, *d_below = l ? deltas[l - 1] + (size_t)e * in : 0;
                const REAL *a = below[l + 1][e], *wanted = y + (size_t)order[e] * out;
                for (int j = 0; j < out; j++)
                    d[j] = (l == layers - 1 ? a[j] - wanted[j] : d[j]) * a[j] * (1 - a[j]);
                if (!l) continue;
                memset(d_below, 0, in * sizeof(REAL));
                for (int j = 0; j < out; j++)
                    for (int i = 0; i < in; i++) d_below[i] += w[l][(size_t)j * in + i] * d[j];
            }
        }
        for (int l = 0; l < layers; l++) {
            int in = sizes[l], out = sizes[l + 1];
            for (int j = 0; j < out; j++)
                for (int e = 0; e < m; e++) {
                    REAL step = rate * deltas[l][(size_t)e * out + j], *v = w[l] + (size_t)j * in;
                    const REAL *u = below[l][e];
                    b[l][j] -= step;
                    for (int i = 0; i < in; i++) v[i] -= step * u[i];
                }
        }
    }
}
