using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor matmul(Tensor target) => Made(LibTorch.lt_matmul(Handle, target.Handle), this, target);
        public Tensor mm(Tensor target) => Made(LibTorch.lt_mm(Handle, target.Handle), this, target);
        public Tensor bmm(Tensor batch2) => Made(LibTorch.lt_bmm(Handle, batch2.Handle), this, batch2);
        public Tensor mv(Tensor target) => Made(LibTorch.lt_mv(Handle, target.Handle), this, target);
        public Tensor dot(Tensor target) => Made(LibTorch.lt_dot(Handle, target.Handle), this, target);
        public Tensor vdot(Tensor target) => Ops.vdot.Call(this, target);
        public Tensor outer(Tensor vec2) => Made(LibTorch.lt_outer(Handle, vec2.Handle), this, vec2);
        public Tensor ger(Tensor vec2) => outer(vec2);
        public Tensor inner(Tensor vec2) => Ops.inner.Call(this, vec2);
        public Tensor addmm(Tensor mat1, Tensor mat2, float beta = 1, float alpha = 1) =>
            Made(LibTorch.lt_addmm(Handle, mat1.Handle, mat2.Handle, beta, alpha), this, mat1, mat2);
        public Tensor addmm_(Tensor mat1, Tensor mat2, float beta = 1, float alpha = 1) =>
            Changed(LibTorch.lt_addmm_(Handle, mat1.Handle, mat2.Handle, beta, alpha), mat1, mat2);
        // As in TorchSharp 0.107, which mixes up the arguments: beta batch2 + alpha this batch1.
        public Tensor baddbmm(Tensor batch1, Tensor batch2, float beta = 1, float alpha = 1) =>
            Made(LibTorch.lt_baddbmm(batch2.Handle, Handle, batch1.Handle, beta, alpha), this, batch1, batch2);
        public Tensor addmv(Tensor mat, Tensor vec, float beta = 1, float alpha = 1) =>
            Made(LibTorch.lt_addmv(Handle, mat.Handle, vec.Handle, beta, alpha), this, mat, vec);
        public Tensor addmv_(Tensor mat, Tensor vec, float beta = 1, float alpha = 1) =>
            Changed(LibTorch.lt_addmv_(Handle, mat.Handle, vec.Handle, beta, alpha), mat, vec);
        public Tensor addr(Tensor vec1, Tensor vec2, float beta = 1, float alpha = 1) =>
            Made(LibTorch.lt_addr(Handle, vec1.Handle, vec2.Handle, beta, alpha), this, vec1, vec2);
        public Tensor addr_(Tensor vec1, Tensor vec2, float beta = 1, float alpha = 1) =>
            Changed(LibTorch.lt_addr_(Handle, vec1.Handle, vec2.Handle, beta, alpha), vec1, vec2);
        public Tensor addbmm(Tensor batch1, Tensor batch2, float beta = 1, float alpha = 1) =>
            Made(LibTorch.lt_addbmm(Handle, batch1.Handle, batch2.Handle, beta, alpha), this, batch1, batch2);
        public Tensor addbmm_(Tensor batch1, Tensor batch2, float beta = 1, float alpha = 1) =>
            Changed(LibTorch.lt_addbmm_(Handle, batch1.Handle, batch2.Handle, beta, alpha), batch1, batch2);
        public Tensor t() => Ops.t.Call(this);
        public Tensor adjoint() => Ops.adjoint.Call(this);
        public Tensor trace() => Ops.trace.Call(this);
        public Tensor matrix_power(int n) => Ops.matrix_power.Call(this, n);
        public Tensor matrix_exp() => Ops.matrix_exp.Call(this);
        public Tensor cholesky(bool upper = false) => Ops.cholesky.Call(this, upper);
        public Tensor cholesky_inverse(bool upper = false) => Ops.cholesky_inverse.Call(this, upper);
        public Tensor cholesky_solve(Tensor input2, bool upper = false) => Ops.cholesky_solve.Call(this, input2, upper);
        public Tensor det() => torch.linalg.det(this);
        public Tensor logdet() => Ops.logdet.Call(this);
        public Tensor inverse() => torch.linalg.inv(this);
        public Tensor pinverse(double rcond = 1E-15, bool hermitian = false) => torch.linalg.pinv(this, null, rcond, hermitian);
        public Tensor kron(Tensor other) => Ops.kron.Call(this, other);
        public Tensor tensordot(Tensor b, (long, long)[] dims) => torch.tensordot(this, b, dims);
        public Tensor tensordot(Tensor b, long dims = 2) => torch.tensordot(this, b, dims);
        public Tensor tensordot(Tensor b, long[] dims1, long[] dims2) => torch.tensordot(this, b, dims1, dims2);
        public Tensor dist(Tensor other, float p = 2) => Ops.dist.Call(this, other, (Scalar)p);
        public Tensor renorm(float p, long dim, float maxnorm) => Ops.renorm.Call(this, (Scalar)p, dim, (Scalar)maxnorm);
        public Tensor cov(long correction = 1, Tensor? fweights = null, Tensor? aweights = null) => Ops.cov.Call(this, correction, fweights, aweights);
        public Tensor corrcoef() => Ops.corrcoef.Call(this);
    }
}
