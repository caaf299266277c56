namespace TorchSharp.Native;

/// <summary>The operators that are called by name.</summary>
internal static class Ops
{
    internal static readonly Op
        _unique2 = new("_unique2"), acos = new("acos"), acos_ = new("acos_"), acosh = new("acosh"), acosh_ = new("acosh_"), adjoint = new("adjoint"),
        aminmax = new("aminmax"), angle = new("angle"), argwhere = new("argwhere"), asin = new("asin"), asin_ = new("asin_"), asinh = new("asinh"),
        asinh_ = new("asinh_"), atan = new("atan"), atan2 = new("atan2"), atan2_ = new("atan2_"), atan_ = new("atan_"), atanh = new("atanh"), atanh_ =
        new("atanh_"), atleast_1d = new("atleast_1d"), atleast_2d = new("atleast_2d"), atleast_3d = new("atleast_3d"), bernoulli = new("bernoulli"),
        bernoulli__Tensor = new("bernoulli_", "Tensor"), bincount = new("bincount"), binomial = new("binomial"), bitwise_and__Tensor =
        new("bitwise_and_", "Tensor"), bitwise_left_shift_Tensor = new("bitwise_left_shift", "Tensor"), bitwise_left_shift__Tensor =
        new("bitwise_left_shift_", "Tensor"), bitwise_not_ = new("bitwise_not_"), bitwise_or__Tensor = new("bitwise_or_", "Tensor"),
        bitwise_right_shift_Tensor = new("bitwise_right_shift", "Tensor"), bitwise_right_shift__Tensor = new("bitwise_right_shift_", "Tensor"),
        bitwise_xor__Tensor = new("bitwise_xor_", "Tensor"), block_diag = new("block_diag"), broadcast_tensors = new("broadcast_tensors"),
        bucketize_Tensor = new("bucketize", "Tensor"), cartesian_prod = new("cartesian_prod"), cauchy_ = new("cauchy_"), cdist = new("cdist"), celu =
        new("celu"), celu_ = new("celu_"), cholesky = new("cholesky"), cholesky_inverse = new("cholesky_inverse"), cholesky_solve =
        new("cholesky_solve"), clamp__Tensor = new("clamp_", "Tensor"), column_stack = new("column_stack"), combinations = new("combinations"),
        complex = new("complex"), conj = new("conj"), conj_physical = new("conj_physical"), conj_physical_ = new("conj_physical_"), copysign_Tensor =
        new("copysign", "Tensor"), copysign__Tensor = new("copysign_", "Tensor"), corrcoef = new("corrcoef"), cosh = new("cosh"), cosh_ =
        new("cosh_"), count_nonzero = new("count_nonzero"), count_nonzero_dim_IntList = new("count_nonzero", "dim_IntList"), cov = new("cov"), cummax
        = new("cummax"), cummin = new("cummin"), cumulative_trapezoid_dx = new("cumulative_trapezoid", "dx"), cumulative_trapezoid_x =
        new("cumulative_trapezoid", "x"), deg2rad = new("deg2rad"), deg2rad_ = new("deg2rad_"), diag = new("diag"), diag_embed = new("diag_embed"),
        diagflat = new("diagflat"), diagonal = new("diagonal"), diagonal_scatter = new("diagonal_scatter"), diff = new("diff"), digamma =
        new("digamma"), digamma_ = new("digamma_"), dist = new("dist"), div_Scalar_mode = new("div", "Scalar_mode"), div_Tensor_mode = new("div",
        "Tensor_mode"), div__Scalar_mode = new("div_", "Scalar_mode"), div__Tensor_mode = new("div_", "Tensor_mode"), dstack = new("dstack"), elu =
        new("elu"), elu_ = new("elu_"), eq__Scalar = new("eq_", "Scalar"), eq__Tensor = new("eq_", "Tensor"), erfc = new("erfc"), erfc_ =
        new("erfc_"), erfinv = new("erfinv"), erfinv_ = new("erfinv_"), exp2 = new("exp2"), exp2_ = new("exp2_"), exponential_ = new("exponential_"),
        fliplr = new("fliplr"), flipud = new("flipud"), float_power_Tensor_Tensor = new("float_power", "Tensor_Tensor"), float_power__Tensor =
        new("float_power_", "Tensor"), floor_divide = new("floor_divide"), floor_divide_Scalar = new("floor_divide", "Scalar"), floor_divide__Scalar =
        new("floor_divide_", "Scalar"), floor_divide__Tensor = new("floor_divide_", "Tensor"), fmax = new("fmax"), fmin = new("fmin"), fmod_Scalar =
        new("fmod", "Scalar"), fmod_Tensor = new("fmod", "Tensor"), fmod__Scalar = new("fmod_", "Scalar"), fmod__Tensor = new("fmod_", "Tensor"), frac
        = new("frac"), frac_ = new("frac_"), frexp_Tensor = new("frexp", "Tensor"), gather = new("gather"), gcd = new("gcd"), gcd_ = new("gcd_"),
        ge__Scalar = new("ge_", "Scalar"), ge__Tensor = new("ge_", "Tensor"), gelu_ = new("gelu_"), geometric_ = new("geometric_"), glu = new("glu"),
        gt__Scalar = new("gt_", "Scalar"), gt__Tensor = new("gt_", "Tensor"), hardsigmoid = new("hardsigmoid"), hardsigmoid_ = new("hardsigmoid_"),
        hardswish = new("hardswish"), hardswish_ = new("hardswish_"), hardtanh = new("hardtanh"), hardtanh_ = new("hardtanh_"), heaviside =
        new("heaviside"), heaviside_ = new("heaviside_"), histc = new("histc"), hstack = new("hstack"), hypot = new("hypot"), i0 = new("i0"), i0_ =
        new("i0_"), igamma = new("igamma"), igammac = new("igammac"), imag = new("imag"), index_fill__int_Scalar = new("index_fill_", "int_Scalar"),
        index_fill_int_Scalar = new("index_fill", "int_Scalar"), inner = new("inner"), isclose = new("isclose"), isin_Tensor_Tensor = new("isin",
        "Tensor_Tensor"), isinf = new("isinf"), isneginf = new("isneginf"), isposinf = new("isposinf"), isreal = new("isreal"), kron = new("kron"),
        kthvalue = new("kthvalue"), lcm = new("lcm"), lcm_ = new("lcm_"), ldexp_ = new("ldexp_"), ldexp_Tensor = new("ldexp", "Tensor"), le__Scalar =
        new("le_", "Scalar"), le__Tensor = new("le_", "Tensor"), leaky_relu = new("leaky_relu"), leaky_relu_ = new("leaky_relu_"), lgamma =
        new("lgamma"), lgamma_ = new("lgamma_"), linalg_cholesky = new("linalg_cholesky"), linalg_cholesky_ex = new("linalg_cholesky_ex"), linalg_cond
        = new("linalg_cond"), linalg_cond_p_str = new("linalg_cond", "p_str"), linalg_cross = new("linalg_cross"), linalg_det = new("linalg_det"),
        linalg_diagonal = new("linalg_diagonal"), linalg_eig = new("linalg_eig"), linalg_eigh = new("linalg_eigh"), linalg_eigvals =
        new("linalg_eigvals"), linalg_eigvalsh = new("linalg_eigvalsh"), linalg_householder_product = new("linalg_householder_product"), linalg_inv =
        new("linalg_inv"), linalg_inv_ex = new("linalg_inv_ex"), linalg_ldl_factor = new("linalg_ldl_factor"), linalg_ldl_factor_ex =
        new("linalg_ldl_factor_ex"), linalg_ldl_solve = new("linalg_ldl_solve"), linalg_lstsq = new("linalg_lstsq"), linalg_lu = new("linalg_lu"),
        linalg_lu_factor = new("linalg_lu_factor"), linalg_lu_solve = new("linalg_lu_solve"), linalg_matrix_exp = new("linalg_matrix_exp"),
        linalg_matrix_norm = new("linalg_matrix_norm"), linalg_matrix_norm_str_ord = new("linalg_matrix_norm", "str_ord"),
        linalg_matrix_rank_atol_rtol_float = new("linalg_matrix_rank", "atol_rtol_float"), linalg_matrix_rank_atol_rtol_tensor =
        new("linalg_matrix_rank", "atol_rtol_tensor"), linalg_multi_dot = new("linalg_multi_dot"), linalg_norm = new("linalg_norm"),
        linalg_norm_ord_str = new("linalg_norm", "ord_str"), linalg_pinv_atol_rtol_float = new("linalg_pinv", "atol_rtol_float"),
        linalg_pinv_atol_rtol_tensor = new("linalg_pinv", "atol_rtol_tensor"), linalg_qr = new("linalg_qr"), linalg_slogdet = new("linalg_slogdet"),
        linalg_solve = new("linalg_solve"), linalg_solve_ex = new("linalg_solve_ex"), linalg_svd = new("linalg_svd"), linalg_svdvals =
        new("linalg_svdvals"), linalg_tensorinv = new("linalg_tensorinv"), linalg_tensorsolve = new("linalg_tensorsolve"), linalg_vander =
        new("linalg_vander"), linalg_vecdot = new("linalg_vecdot"), linalg_vector_norm = new("linalg_vector_norm"), log10 = new("log10"), log10_ =
        new("log10_"), log2 = new("log2"), log2_ = new("log2_"), log_normal_ = new("log_normal_"), log_sigmoid = new("log_sigmoid"), logaddexp =
        new("logaddexp"), logaddexp2 = new("logaddexp2"), logcumsumexp = new("logcumsumexp"), logdet = new("logdet"), logical_and_ =
        new("logical_and_"), logical_not_ = new("logical_not_"), logical_or_ = new("logical_or_"), logical_xor_ = new("logical_xor_"), logit =
        new("logit"), logit_ = new("logit_"), lt__Scalar = new("lt_", "Scalar"), lt__Tensor = new("lt_", "Tensor"), mH = new("mH"), mT = new("mT"),
        masked_scatter = new("masked_scatter"), masked_scatter_ = new("masked_scatter_"), masked_select = new("masked_select"), matrix_H =
        new("matrix_H"), matrix_exp = new("matrix_exp"), matrix_power = new("matrix_power"), median = new("median"), meshgrid_indexing =
        new("meshgrid", "indexing"), mode = new("mode"), msort = new("msort"), mvlgamma = new("mvlgamma"), mvlgamma_ = new("mvlgamma_"), nan_to_num =
        new("nan_to_num"), nan_to_num_ = new("nan_to_num_"), nanmean = new("nanmean"), nanmedian = new("nanmedian"), nanquantile = new("nanquantile"),
        nansum = new("nansum"), ne__Scalar = new("ne_", "Scalar"), ne__Tensor = new("ne_", "Tensor"), nextafter = new("nextafter"), nextafter_ =
        new("nextafter_"), nonzero = new("nonzero"), nonzero_numpy = new("nonzero_numpy"), normal_Tensor_Tensor = new("normal", "Tensor_Tensor"),
        numpy_T = new("numpy_T"), poisson = new("poisson"), polar = new("polar"), polygamma = new("polygamma"), polygamma_ = new("polygamma_"),
        positive = new("positive"), prelu = new("prelu"), prod = new("prod"), prod_dim_int = new("prod", "dim_int"), quantile = new("quantile"),
        rad2deg = new("rad2deg"), rad2deg_ = new("rad2deg_"), random__from = new("random_", "from"), real = new("real"), relu6 = new("relu6"), relu6_
        = new("relu6_"), renorm = new("renorm"), repeat_interleave_self_Tensor = new("repeat_interleave", "self_Tensor"), repeat_interleave_self_int =
        new("repeat_interleave", "self_int"), resolve_conj = new("resolve_conj"), resolve_neg = new("resolve_neg"), rot90 = new("rot90"), round =
        new("round"), round_ = new("round_"), round__decimals = new("round_", "decimals"), round_decimals = new("round", "decimals"), rrelu =
        new("rrelu"), rrelu_ = new("rrelu_"), searchsorted_Scalar = new("searchsorted", "Scalar"), searchsorted_Tensor = new("searchsorted",
        "Tensor"), select_scatter = new("select_scatter"), selu = new("selu"), selu_ = new("selu_"), sgn = new("sgn"), sgn_ = new("sgn_"), signbit =
        new("signbit"), sinc = new("sinc"), sinc_ = new("sinc_"), sinh = new("sinh"), sinh_ = new("sinh_"), slice_scatter = new("slice_scatter"),
        squeeze_ = new("squeeze_"), squeeze__dim = new("squeeze_", "dim"), std_mean = new("std_mean"), std_mean_dim = new("std_mean", "dim"), t =
        new("t"), take = new("take"), take_along_dim = new("take_along_dim"), tan = new("tan"), tan_ = new("tan_"), tensor_split_indices =
        new("tensor_split", "indices"), tensor_split_sections = new("tensor_split", "sections"), tensor_split_tensor_indices_or_sections =
        new("tensor_split", "tensor_indices_or_sections"), tensordot = new("tensordot"), threshold = new("threshold"), threshold_ = new("threshold_"),
        tile = new("tile"), trace = new("trace"), transpose_ = new("transpose_"), trapezoid_dx = new("trapezoid", "dx"), trapezoid_x =
        new("trapezoid", "x"), tril_ = new("tril_"), triu_ = new("triu_"), trunc = new("trunc"), trunc_ = new("trunc_"), unique_consecutive =
        new("unique_consecutive"), unique_dim = new("unique_dim"), unsqueeze_ = new("unsqueeze_"), var_mean = new("var_mean"), var_mean_dim =
        new("var_mean", "dim"), vdot = new("vdot"), view_as_complex = new("view_as_complex"), view_as_real = new("view_as_real"), vstack =
        new("vstack"), where = new("where"), xlogy_Scalar_Other = new("xlogy", "Scalar_Other"), xlogy_Tensor = new("xlogy", "Tensor"),
        xlogy__Scalar_Other = new("xlogy_", "Scalar_Other"), xlogy__Tensor = new("xlogy_", "Tensor");
}
