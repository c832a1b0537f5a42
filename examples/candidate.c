/* A candidate in C: the network in float64, over standard input and output.
 *
 *     cc -O2 -o candidate examples/candidate.c -lm
 *     python -m compare --quick --program ./candidate
 *
 * docs/programs.md is the protocol. Matrices lie row by row, with an example in every column, as
 * the proof has them. The machine must be little-endian, as nearly all are.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 16, MOST_MATRICES = 1000 };

typedef struct { int rows, columns; double *v; } Matrix;
typedef struct { int layers; Matrix w[MOST_LAYERS], b[MOST_LAYERS]; } Network;

static void *checked(void *memory) {
    if (!memory) { fputs("out of memory\n", stderr); exit(1); }
    return memory;
}

/* Every matrix of one request is let go when it has been answered. */
static double *lent[MOST_MATRICES];
static int lent_count = 0;

static Matrix matrix(int rows, int columns) {
    if (lent_count == MOST_MATRICES) { fputs("too many matrices\n", stderr); exit(1); }
    Matrix a = {rows, columns, checked(calloc((size_t)rows * columns + 1, sizeof(double)))};
    return lent[lent_count++] = a.v, a;
}

static Matrix copy(Matrix a) {
    size_t size = (size_t)a.rows * a.columns * sizeof(double);
    Matrix b = {a.rows, a.columns, memcpy(checked(malloc(size + 1)), a.v, size)};
    return b;
}

/* --- The network ----------------------------------------------------------------------------- */

/* z = w a + b */
static Matrix weighted_input(Matrix w, Matrix a, Matrix b) {
    Matrix z = matrix(w.rows, a.columns);
    for (int j = 0; j < w.rows; j++) {
        double *row = z.v + (size_t)j * z.columns;
        for (int i = 0; i < w.columns; i++)
            for (int e = 0; e < a.columns; e++)
                row[e] += w.v[j * w.columns + i] * a.v[(size_t)i * a.columns + e];
        for (int e = 0; e < a.columns; e++) row[e] += b.v[j];
    }
    return z;
}

static Matrix sigmoid(Matrix z) {
    Matrix a = matrix(z.rows, z.columns);
    for (size_t i = 0; i < (size_t)z.rows * z.columns; i++) a.v[i] = 1 / (1 + exp(-z.v[i]));
    return a;
}

static void trace(const Network *net, Matrix x, Matrix *zs, Matrix *activations) {
    activations[0] = x;
    for (int l = 0; l < net->layers; l++) {
        zs[l] = weighted_input(net->w[l], activations[l], net->b[l]);
        activations[l + 1] = sigmoid(zs[l]);
    }
}

/* BP2: what the errors of one layer make of those of the layer below, before sigmoid'(z). */
static Matrix pulled_back(Matrix w, Matrix delta) {
    Matrix pulled = matrix(w.columns, delta.columns);
    for (int j = 0; j < w.rows; j++)
        for (int i = 0; i < w.columns; i++)
            for (int e = 0; e < delta.columns; e++)
                pulled.v[i * delta.columns + e] +=
                    w.v[j * w.columns + i] * delta.v[j * delta.columns + e];
    return pulled;
}

/* The gradients, summed over the mini-batch. */
static void backprop(const Network *net, Matrix x, Matrix y, Matrix *nabla_b, Matrix *nabla_w) {
    Matrix zs[MOST_LAYERS], activations[MOST_LAYERS + 1], delta;
    trace(net, x, zs, activations);
    for (int l = net->layers - 1; l >= 0; l--) {
        Matrix a = activations[l + 1], below = activations[l];
        int last = l == net->layers - 1;
        delta = last ? matrix(a.rows, a.columns) : pulled_back(net->w[l + 1], delta);
        for (int i = 0; i < a.rows * a.columns; i++)
            delta.v[i] = (last ? a.v[i] - y.v[i] : delta.v[i]) * a.v[i] * (1 - a.v[i]); /* BP1 */
        nabla_b[l] = matrix(a.rows, 1);
        nabla_w[l] = matrix(a.rows, below.rows);
        for (int j = 0; j < a.rows; j++)
            for (int e = 0; e < a.columns; e++) {
                double d = delta.v[j * a.columns + e];
                nabla_b[l].v[j] += d; /* BP3 */
                for (int i = 0; i < below.rows; i++) /* BP4 */
                    nabla_w[l].v[j * below.rows + i] += d * below.v[i * below.columns + e];
            }
    }
}

static void descend(Matrix v, Matrix nabla, double rate) {
    for (int i = 0; i < v.rows * v.columns; i++) v.v[i] -= rate * nabla.v[i];
}

static void update_mini_batch(Network *net, Matrix x, Matrix y, double eta) {
    Matrix nabla_b[MOST_LAYERS], nabla_w[MOST_LAYERS];
    double rate = eta / x.columns;
    backprop(net, x, y, nabla_b, nabla_w);
    for (int l = 0; l < net->layers; l++) {
        descend(net->b[l], nabla_b[l], rate);
        descend(net->w[l], nabla_w[l], rate);
    }
}

/* --- The protocol: a line of JSON, then the bytes of its arrays ------------------------------ */

/* What stands behind a key of the line. */
static char *after(char *line, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    char *found = strstr(line, quoted);
    if (!found) { fprintf(stderr, "expected %s, received %s", quoted, line); exit(1); }
    return found + strlen(quoted) + strspn(found + strlen(quoted), " ");
}

static int says(char *line, const char *key, const char *word) {
    char *at = after(line, key);
    return at[0] == '"' && !strncmp(at + 1, word, strlen(word)) && at[1 + strlen(word)] == '"';
}

static long next_number(char **at) {
    *at += strcspn(*at, "0123456789");
    return strtol(*at, at, 10);
}

/* Read the arrays that a line tells of, ["<f8", [rows, columns], "C" or "F"] each. */
static int read_matrices(char *line, Matrix *found) {
    int count = 0;
    for (char *at = after(line, "arrays"); (at = strstr(at, "\"<f8\"")); count++) {
        at += strlen("\"<f8\"");
        int rows = next_number(&at), columns = next_number(&at);
        int by_columns = strchr(at, '"')[1] == 'F';
        if (count == 2 * MOST_LAYERS) { fputs("too many layers\n", stderr); exit(1); }
        Matrix a = found[count] = matrix(rows, columns);
        double *sent = by_columns ? matrix(rows, columns).v : a.v;
        size_t size = (size_t)rows * columns;
        if (fread(sent, sizeof(double), size, stdin) != size) exit(1);
        for (int i = 0; by_columns && i < rows; i++)
            for (int e = 0; e < columns; e++)
                a.v[(size_t)i * columns + e] = sent[(size_t)e * rows + i];
    }
    return count;
}

/* Answer with two lists of so many matrices each, or with none. */
static void answer(const Matrix *first, int n, const Matrix *second, int m) {
    printf(n + m ? "{\"answer\": [%d, %d], \"arrays\": [" : "{\"answer\": [], \"arrays\": [", n, m);
    for (int k = 0; k < n + m; k++) {
        Matrix a = k < n ? first[k] : second[k - n];
        printf("%s[\"<f8\", [%d, %d], \"C\"]", k ? ", " : "", a.rows, a.columns);
    }
    puts("]}");
    for (int k = 0; k < n + m; k++) {
        Matrix a = k < n ? first[k] : second[k - n];
        fwrite(a.v, sizeof(double), (size_t)a.rows * a.columns, stdout);
    }
}

static Network *built(const Matrix *given, int count) {
    Network *net = checked(calloc(1, sizeof *net));
    net->layers = count / 2;
    for (int l = 0; l < net->layers; l++) {
        net->w[l] = copy(given[l]);
        net->b[l] = copy(given[net->layers + l]);
    }
    return net;
}

static void forget(Network *net) {
    for (int l = 0; net && l < net->layers; l++) { free(net->w[l].v); free(net->b[l].v); }
    free(net);
}

static void call(Network *net, char *line, const Matrix *given) {
    Matrix one[MOST_LAYERS], other[MOST_LAYERS + 1];
    if (says(line, "method", "export")) {
        answer(net->w, net->layers, net->b, net->layers);
    } else if (says(line, "method", "trace")) {
        trace(net, given[0], one, other);
        answer(one, net->layers, other, net->layers + 1);
    } else if (says(line, "method", "backprop")) {
        backprop(net, given[0], given[1], one, other);
        answer(one, net->layers, other, net->layers);
    } else { /* update_mini_batch, the last of those offered */
        update_mini_batch(net, given[0], given[1], strtod(after(line, "numbers") + 1, NULL));
        answer(NULL, 0, NULL, 0);
    }
}

int main(void) {
    char *line = NULL;
    size_t room = 0, places = 0;
    Network **nets = NULL;
    while (getline(&line, &room, stdin) > 0) {
        Matrix given[2 * MOST_LAYERS];
        int count = read_matrices(line, given);
        if (says(line, "do", "describe")) {
            puts("{\"label\": \"candidate.c\", \"dtype\": \"float64\", \"arrays\": []}");
        } else {
            char *at = after(line, "net");
            size_t number = next_number(&at);
            for (; places <= number; places++) {
                nets = checked(realloc(nets, (places + 1) * sizeof *nets));
                nets[places] = NULL;
            }
            if (says(line, "do", "call")) {
                call(nets[number], line, given);
            } else if (says(line, "do", "forget")) {
                forget(nets[number]);
                nets[number] = NULL;
                puts("{\"arrays\": []}");
            } else if (says(line, "arithmetic", "fixed-point")) {
                puts("{\"missing\": \"fixed-point\", \"arrays\": []}");
            } else {
                nets[number] = built(given, count);
                puts("{\"offers\": [\"export\", \"trace\", \"backprop\", \"update_mini_batch\"], "
                     "\"dtype\": \"float64\", \"arrays\": []}");
            }
        }
        fflush(stdout);
        while (lent_count) free(lent[--lent_count]);
    }
    return 0;
}
