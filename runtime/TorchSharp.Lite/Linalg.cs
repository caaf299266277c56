using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public static class linalg
    {
        private static readonly long[] LastTwo = [-2, -1];

        /// <summary>Which parts of a QR decomposition are made.</summary>
        public enum QRMode
        {
            Reduced = 0,
            Complete = 1,
            R = 2,
        }

        public static Tensor cholesky(Tensor input) =>
            Ops.linalg_cholesky.Call(input);
        public static (Tensor, Tensor) cholesky_ex(Tensor input, bool check_errors = false) =>
            Ops.linalg_cholesky_ex.Call2(input, false, check_errors);
        public static Tensor cond(Tensor input) =>
            Ops.linalg_cond.Call(input);
        public static Tensor cond(Tensor input, double p) =>
            Ops.linalg_cond.Call(input, (Scalar)p);
        public static Tensor cond(Tensor input, int p) =>
            Ops.linalg_cond.Call(input, (Scalar)p);
        public static Tensor cond(Tensor input, string p) =>
            Ops.linalg_cond_p_str.Call(input, p);
        public static Tensor cross(Tensor input, Tensor other, long dim = -1) =>
            Ops.linalg_cross.Call(input, other, dim);
        public static Tensor det(Tensor input) =>
            Ops.linalg_det.Call(input);
        public static Tensor diagonal(Tensor input, int offset = 0, int dim1 = -2, int dim2 = -1) =>
            Ops.linalg_diagonal.Call(input, offset, dim1, dim2);
        public static (Tensor, Tensor) eig(Tensor input) =>
            Ops.linalg_eig.Call2(input);
        public static (Tensor, Tensor) eigh(Tensor input, char UPLO = 'L') =>
            Ops.linalg_eigh.Call2(input, UPLO.ToString());
        public static Tensor eigvals(Tensor input) =>
            Ops.linalg_eigvals.Call(input);
        public static Tensor eigvalsh(Tensor input, char UPLO = 'L') =>
            Ops.linalg_eigvalsh.Call(input, UPLO.ToString());
        public static Tensor householder_product(Tensor A, Tensor tau) =>
            Ops.linalg_householder_product.Call(A, tau);
        public static Tensor inv(Tensor input) =>
            Ops.linalg_inv.Call(input);
        public static (Tensor, Tensor) inv_ex(Tensor input, bool check_errors = false) =>
            Ops.linalg_inv_ex.Call2(input, check_errors);
        public static (Tensor, Tensor) ldl_factor(Tensor input, bool hermitian = true) =>
            Ops.linalg_ldl_factor.Call2(input, hermitian);
        public static (Tensor, Tensor, Tensor) ldl_factor_ex(Tensor input, bool hermitian = true, bool check_errors = false) =>
            Ops.linalg_ldl_factor_ex.Call3(input, hermitian, check_errors);
        public static Tensor ldl_solve(Tensor LD, Tensor pivots, Tensor B, bool hermitian = false) =>
            Ops.linalg_ldl_solve.Call(LD, pivots, B, hermitian);
        public static (Tensor, Tensor, Tensor, Tensor) lstsq(Tensor input, Tensor other) =>
            Ops.linalg_lstsq.Call4(input, other);
        public static (Tensor, Tensor, Tensor, Tensor) lstsq(Tensor input, Tensor other, double rcond) =>
            Ops.linalg_lstsq.Call4(input, other, rcond);
        public static (Tensor, Tensor, Tensor) lu(Tensor input, bool pivot = true) =>
            Ops.linalg_lu.Call3(input, pivot);
        public static (Tensor, Tensor) lu_factor(Tensor input, bool pivot = true) =>
            Ops.linalg_lu_factor.Call2(input, pivot);
        public static Tensor lu_solve(Tensor LU, Tensor pivots, Tensor B, bool left = true, bool adjoint = false, Tensor? @out = null) =>
            Into(Ops.linalg_lu_solve.Call(LU, pivots, B, left, adjoint), @out);
        public static Tensor matrix_exp(Tensor input) =>
            Ops.linalg_matrix_exp.Call(input);
        public static Tensor matrix_norm(Tensor input, double ord, long[]? dims = null, bool keepdim = false) =>
            Ops.linalg_matrix_norm.Call(input, (Scalar)ord, dims ?? LastTwo, keepdim);
        public static Tensor matrix_norm(Tensor input, string ord = "fro", long[]? dims = null, bool keepdim = false) =>
            Ops.linalg_matrix_norm_str_ord.Call(input, ord, dims ?? LastTwo, keepdim);
        public static Tensor matrix_rank(Tensor input, Tensor atol, Tensor? rtol = null, bool hermitian = false) =>
            Ops.linalg_matrix_rank_atol_rtol_tensor.Call(input, atol, rtol, hermitian);
        public static Tensor matrix_rank(Tensor input, double? atol = null, double? rtol = null, bool hermitian = false) =>
            Ops.linalg_matrix_rank_atol_rtol_float.Call(input, atol, rtol, hermitian);
        public static Tensor multi_dot(IList<Tensor> tensors) =>
            Ops.linalg_multi_dot.Call(tensors.ToArray());
        public static Tensor norm(Tensor input, double ord, long[]? dims = null, bool keepdim = false) =>
            Ops.linalg_norm.Call(input, (Scalar)ord, dims, keepdim);
        public static Tensor norm(Tensor input, int ord, long[]? dims = null, bool keepdim = false) =>
            Ops.linalg_norm.Call(input, (Scalar)ord, dims, keepdim);
        public static Tensor norm(Tensor input, long[]? dims = null, bool keepdim = false) =>
            Ops.linalg_norm.Call(input, (Scalar?)null, dims, keepdim);
        public static Tensor norm(Tensor input, string ord, long[]? dims = null, bool keepdim = false) =>
            Ops.linalg_norm_ord_str.Call(input, ord, dims, keepdim);
        public static Tensor pinv(Tensor input, Tensor atol, Tensor? rtol = null, bool hermitian = false) =>
            Ops.linalg_pinv_atol_rtol_tensor.Call(input, atol, rtol, hermitian);
        public static Tensor pinv(Tensor input, double? atol = null, double? rtol = null, bool hermitian = false) =>
            Ops.linalg_pinv_atol_rtol_float.Call(input, atol, rtol, hermitian);
        public static (Tensor, Tensor) qr(Tensor input, linalg.QRMode mode = 0) =>
            Ops.linalg_qr.Call2(input, mode switch { QRMode.Reduced => "reduced", QRMode.Complete => "complete", _ => "r" });
        public static (Tensor, Tensor) slogdet(Tensor input) =>
            Ops.linalg_slogdet.Call2(input);
        public static Tensor solve(Tensor A, Tensor B, bool left = true) =>
            Ops.linalg_solve.Call(A, B, left);
        public static (Tensor, Tensor) solve_ex(Tensor A, Tensor B, bool left = true, bool check_errors = false) =>
            Ops.linalg_solve_ex.Call2(A, B, left, check_errors);
        public static Tensor solve_triangular(Tensor A, Tensor B, bool upper, bool left = true, bool unitriangular = false, Tensor? @out = null) =>
            Into(Tensor.Made(LibTorch.lt_solve_triangular(A.Handle, B.Handle, upper ? 1 : 0, left ? 1 : 0, unitriangular ? 1 : 0), A, B), @out);
        public static (Tensor, Tensor, Tensor) svd(Tensor input, bool fullMatrices = true) =>
            Ops.linalg_svd.Call3(input, fullMatrices);
        public static Tensor svdvals(Tensor input) =>
            Ops.linalg_svdvals.Call(input);
        public static Tensor tensorinv(Tensor input, long ind) =>
            Ops.linalg_tensorinv.Call(input, ind);
        public static Tensor tensorsolve(Tensor A, Tensor B, long[] dims) =>
            Ops.linalg_tensorsolve.Call(A, B, dims);
        public static Tensor vander(Tensor input, long? N = null) =>
            Ops.linalg_vander.Call(input, N);
        public static Tensor vecdot(Tensor x, Tensor y, long dim = -1, Tensor? @out = null) =>
            Into(Ops.linalg_vecdot.Call(x, y, dim), @out);
        public static Tensor vector_norm(Tensor input, double ord = 2, long[]? dims = null, bool keepdim = false) =>
            Ops.linalg_vector_norm.Call(input, (Scalar)ord, dims, keepdim);

        private static Tensor Into(Tensor result, Tensor? target)
        {
            if (target is null)
                return result;
            using (result)
                return target.copy_(result);
        }
    }
}
