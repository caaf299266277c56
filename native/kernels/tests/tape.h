// Gradients of any scalar expression in double precision: every operation is written down with its two partial derivatives, and
// the tape is read back from its end.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

class Tape {
public:
    struct Operation {
        int32_t of[2];
        double by[2];
    };

    static int32_t add(int32_t a, double by_a, int32_t b, double by_b) {
        operations.push_back({{a, b}, {by_a, by_b}});
        return static_cast<int32_t>(operations.size()) - 1;
    }

    // Of every value on the tape, `gradients` having those of results; the tape is empty afterwards.
    static void read_back(std::vector<double>& gradients) {
        gradients.resize(operations.size());
        for (size_t i = operations.size(); i-- > 0;)
            for (int e = 0; e < 2; e++)
                if (operations[i].of[e] >= 0) gradients[static_cast<size_t>(operations[i].of[e])] += operations[i].by[e] * gradients[i];
        operations.clear();
    }

private:
    static inline std::vector<Operation> operations;
};

// A number with its place on the tape; none for a constant.
struct Traced {
    double value = 0;
    int32_t place = -1;

    Traced() = default;
    Traced(double x) : value(x) {}
    static Traced input(double x) { return of(x, -1, 0); }
    static Traced of(double x, int32_t a, double by_a, int32_t b = -1, double by_b = 0) {
        Traced t(x);
        t.place = Tape::add(a, by_a, b, by_b);
        return t;
    }
};

inline Traced operator+(const Traced& a, const Traced& b) { return Traced::of(a.value + b.value, a.place, 1, b.place, 1); }
inline Traced operator-(const Traced& a, const Traced& b) { return Traced::of(a.value - b.value, a.place, 1, b.place, -1); }
inline Traced operator*(const Traced& a, const Traced& b) { return Traced::of(a.value * b.value, a.place, b.value, b.place, a.value); }
inline Traced operator/(const Traced& a, const Traced& b) { return Traced::of(a.value / b.value, a.place, 1 / b.value, b.place, -a.value / (b.value * b.value)); }
inline Traced exp(const Traced& a) { return Traced::of(std::exp(a.value), a.place, std::exp(a.value)); }
inline Traced erf(const Traced& a) { return Traced::of(std::erf(a.value), a.place, 2 / std::sqrt(3.14159265358979323846) * std::exp(-a.value * a.value)); }
inline Traced sqrt(const Traced& a) { return Traced::of(std::sqrt(a.value), a.place, 0.5 / std::sqrt(a.value)); }
