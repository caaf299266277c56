using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>One emitted model or layer, seen the same way by every test.</summary>
internal sealed class Subject : IDisposable
{
    private static readonly Dictionary<string, Func<Device?, ScalarType?, nn.Module<Tensor, Tensor>>> Makers = new()
    {
        [nameof(LinearModel)] = (device, dtype) => new LinearModel(device, dtype),
        [nameof(NormalizedModel)] = (device, dtype) => new NormalizedModel(device, dtype),
        [nameof(ReluModel)] = (device, dtype) => new ReluModel(device, dtype),
        [nameof(TaylorModel)] = (device, dtype) => new TaylorModel(device, dtype),
        [nameof(HedgehogModel)] = (device, dtype) => new HedgehogModel(device, dtype),
        [nameof(ScalarDecayModel)] = (device, dtype) => new ScalarDecayModel(device, dtype),
        [nameof(RetentionModel)] = (device, dtype) => new RetentionModel(device, dtype),
        [nameof(LightningModel)] = (device, dtype) => new LightningModel(device, dtype),
        [nameof(TiedDecayModel)] = (device, dtype) => new TiedDecayModel(device, dtype),
        [nameof(ChannelDecayModel)] = (device, dtype) => new ChannelDecayModel(device, dtype),
        [nameof(ChannelDeltaModel)] = (device, dtype) => new ChannelDeltaModel(device, dtype),
        [nameof(DeltaProductModel)] = (device, dtype) => new DeltaProductModel(device, dtype),
        [nameof(SharedKeysModel)] = (device, dtype) => new SharedKeysModel(device, dtype),
        [nameof(BonusDecayModel)] = (device, dtype) => new BonusDecayModel(device, dtype),
        [nameof(GatedSlotsModel)] = (device, dtype) => new GatedSlotsModel(device, dtype),
        [nameof(GeneralizedDeltaModel)] = (device, dtype) => new GeneralizedDeltaModel(device, dtype),
        [nameof(DeltaModel)] = (device, dtype) => new DeltaModel(device, dtype),
        [nameof(GatedDeltaModel)] = (device, dtype) => new GatedDeltaModel(device, dtype),
        [nameof(BareGatedDeltaModel)] = (device, dtype) => new BareGatedDeltaModel(device, dtype),
        [nameof(WindowModel)] = (device, dtype) => new WindowModel(device, dtype),
        [nameof(OneTokenWindowModel)] = (device, dtype) => new OneTokenWindowModel(device, dtype),
        [nameof(CausalModel)] = (device, dtype) => new CausalModel(device, dtype),
        [nameof(GroupedWindowModel)] = (device, dtype) => new GroupedWindowModel(device, dtype),
        [nameof(HybridModel)] = (device, dtype) => new HybridModel(device, dtype),
        [nameof(MixtureModel)] = (device, dtype) => new MixtureModel(device, dtype),
        [nameof(LinearMixtureModel)] = (device, dtype) => new LinearMixtureModel(device, dtype),
        [nameof(ChannelDecayMixtureModel)] = (device, dtype) => new ChannelDecayMixtureModel(device, dtype),
        [nameof(ChannelDeltaMixtureModel)] = (device, dtype) => new ChannelDeltaMixtureModel(device, dtype),
        [nameof(BonusDecayMixtureModel)] = (device, dtype) => new BonusDecayMixtureModel(device, dtype),
        [nameof(DeltaProductMixtureModel)] = (device, dtype) => new DeltaProductMixtureModel(device, dtype),
        [nameof(SharedKeysMixtureModel)] = (device, dtype) => new SharedKeysMixtureModel(device, dtype),
        [nameof(GatedSlotsMixtureModel)] = (device, dtype) => new GatedSlotsMixtureModel(device, dtype),
        [nameof(TiedDecayMixtureModel)] = (device, dtype) => new TiedDecayMixtureModel(device, dtype),
        [nameof(GeneralizedDeltaMixtureModel)] = (device, dtype) => new GeneralizedDeltaMixtureModel(device, dtype),
        [nameof(DeltaMixtureModel)] = (device, dtype) => new DeltaMixtureModel(device, dtype),
        [nameof(TitansMixtureModel)] = (device, dtype) => new TitansMixtureModel(device, dtype),
        [nameof(TitansModel)] = (device, dtype) => new TitansModel(device, dtype),
        [nameof(DeepTitansModel)] = (device, dtype) => new DeepTitansModel(device, dtype),
        [nameof(TitansGateModel)] = (device, dtype) => new TitansGateModel(device, dtype),
        [nameof(SegmentedTitansGateModel)] = (device, dtype) => new SegmentedTitansGateModel(device, dtype),
        [nameof(TitansLayerModel)] = (device, dtype) => new TitansLayerModel(device, dtype),
        [nameof(SegmentedTitansLayerModel)] = (device, dtype) => new SegmentedTitansLayerModel(device, dtype),
        [nameof(TitansContextModel)] = (device, dtype) => new TitansContextModel(device, dtype),
        [nameof(OneBlockTitansContextModel)] = (device, dtype) => new OneBlockTitansContextModel(device, dtype),
        [nameof(ClippedTitansModel)] = (device, dtype) => new ClippedTitansModel(device, dtype),
        [nameof(DeepestTitansGateModel)] = (device, dtype) => new DeepestTitansGateModel(device, dtype),
        [nameof(DecayedTitansGateModel)] = (device, dtype) => new DecayedTitansGateModel(device, dtype),
        [nameof(KeyValueTitansContextModel)] = (device, dtype) => new KeyValueTitansContextModel(device, dtype),
        [nameof(MuonTitansGateModel)] = (device, dtype) => new MuonTitansGateModel(device, dtype),
        [nameof(MuonTitansLayerModel)] = (device, dtype) => new MuonTitansLayerModel(device, dtype),
        [nameof(SelectiveModel)] = (device, dtype) => new SelectiveModel(device, dtype),
        [nameof(UnusualSelectiveModel)] = (device, dtype) => new UnusualSelectiveModel(device, dtype),
        [nameof(OneStateModel)] = (device, dtype) => new OneStateModel(device, dtype),
        [nameof(StateSpaceModel)] = (device, dtype) => new StateSpaceModel(device, dtype),
        [nameof(BMojoModel)] = (device, dtype) => new BMojoModel(device, dtype),
        [nameof(FadingBMojoModel)] = (device, dtype) => new FadingBMojoModel(device, dtype),
        [nameof(ResidualBMojoModel)] = (device, dtype) => new ResidualBMojoModel(device, dtype),
        [nameof(RingBMojoModel)] = (device, dtype) => new RingBMojoModel(device, dtype),
        [nameof(SlidingBMojoModel)] = (device, dtype) => new SlidingBMojoModel(device, dtype),
        [nameof(HybridBMojoModel)] = (device, dtype) => new HybridBMojoModel(device, dtype),
        [nameof(HierarchicalModel)] = (device, dtype) => new HierarchicalModel(device, dtype),
        [nameof(HierarchicalHybridModel)] = (device, dtype) => new HierarchicalHybridModel(device, dtype),
        [nameof(HierarchicalTitansModel)] = (device, dtype) => new HierarchicalTitansModel(device, dtype),
        [nameof(HierarchicalBMojoModel)] = (device, dtype) => new HierarchicalBMojoModel(device, dtype),
        [nameof(RecurrentFadingModel)] = (device, dtype) => new RecurrentFadingModel(device, dtype),
        [nameof(HierarchicalMixtureModel)] = (device, dtype) => new HierarchicalMixtureModel(device, dtype),
        [nameof(FirstStageModel)] = (device, dtype) => new FirstStageModel(device, dtype),
        [nameof(RecurrentModel)] = (device, dtype) => new RecurrentModel(device, dtype),
        [nameof(LearnedRecurrentModel)] = (device, dtype) => new LearnedRecurrentModel(device, dtype),
        [nameof(PaperHierarchicalModel)] = (device, dtype) => new PaperHierarchicalModel(device, dtype),
        [nameof(GatedDeltaLayer)] = (device, dtype) => new GatedDeltaLayer(device, dtype),
        [nameof(SelectiveLayer)] = (device, dtype) => new SelectiveLayer(device, dtype),
        [nameof(StateSpaceLayer)] = (device, dtype) => new StateSpaceLayer(device, dtype),
        [nameof(MixtureLayer)] = (device, dtype) => new MixtureLayer(device, dtype),
        [nameof(WindowLayer)] = (device, dtype) => new WindowLayer(device, dtype),
        [nameof(CausalLayer)] = (device, dtype) => new CausalLayer(device, dtype),
        [nameof(TitansGateLayer)] = (device, dtype) => new TitansGateLayer(device, dtype),
        [nameof(BMojoLayer)] = (device, dtype) => new BMojoLayer(device, dtype),
        [nameof(HugeModel)] = (device, dtype) => new HugeModel(device, dtype),
    };

    private readonly ScalarType dtype;
    private readonly Generator random;

    /// <param name="name">A class of Declarations.cs.</param>
    /// <param name="dtype">Its element type.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="seed">Of its weights and inputs: the process-wide generator is shared with tests on other threads.</param>
    public Subject(string name, ScalarType dtype = ScalarType.Float64, Device? device = null, long seed = 1)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        this.dtype = dtype;
        random = new Generator((ulong)seed, CPU);
        Module = Makers[name](device, dtype);
        if (device?.type == DeviceType.META)
            return;
        RandomWeights.Fill(Module, 0.4, Normal);
    }

    public static TheoryData<string> All => [.. Makers.Keys.Where(IsLikeOthers)];

    /// <summary>Those whose choices can be held: the windows of a segmented model score tokens in another order in pieces.</summary>
    public static TheoryData<string> Held => [.. Makers.Keys.Where(n => IsLikeOthers(n) && n != nameof(HierarchicalBMojoModel))];

    public static TheoryData<string> Models => [.. Makers.Keys.Where(n => n.EndsWith("Model", StringComparison.Ordinal) && IsLikeOthers(n))];

    /// <summary>A class of Declarations.cs as its constructor leaves it.</summary>
    public static nn.Module<Tensor, Tensor> Fresh(string name) => Makers[name](null, null);

    public nn.Module<Tensor, Tensor> Module { get; }

    /// <summary>The parameters that outputs depend on smoothly: a predictor of B'MOJO learns from a loss of its own.</summary>
    public TorchSharp.Modules.Parameter[] Trained => [.. Module.named_parameters().Where(p => !p.name.Contains("predictor", StringComparison.Ordinal)).Select(p => p.parameter)];

    public bool IsModel => Module is IMemoryModel;

    public IMemoryModel Model => (IMemoryModel)Module;

    public MemoryCard Card => Module is IMemoryModel model ? model.Card : ((IMemoryLayer)Module).Card;

    /// <summary>Random tokens [B, T], or features [B, T, Dim] for a layer.</summary>
    public Tensor Input(long rows, long tokens) =>
        IsModel ? randint(0, 11, [rows, tokens], dtype: ScalarType.Int64, generator: random) : Normal([rows, tokens, Width]);

    /// <summary>Standard normal numbers.</summary>
    public Tensor Normal(long[] shape) => randn(shape, dtype: dtype, generator: random);

    public Tensor Forward(Tensor input) => Module.call(input);

    public MemoryState NewState(long rows) => Module is IMemoryModel model ? model.NewState(rows) : ((IMemoryLayer)Module).NewState(rows);

    public MemoryState LoadState(string path) => Module is IMemoryModel model ? model.LoadState(path) : ((IMemoryLayer)Module).LoadState(path);

    public Tensor Prefill(Tensor input, MemoryState state) =>
        Module is IMemoryModel model ? model.Prefill(input, state) : ((IMemoryLayer)Module).Prefill(input, state);

    public Tensor Prefill(Tensor input, MemoryState state, Tensor skip) =>
        Module is IMemoryModel model ? model.Prefill(input, state, skip) : ((IMemoryLayer)Module).Prefill(input, state, skip);

    public Tensor Step(Tensor input, MemoryState state) =>
        Module is IMemoryModel model ? model.Step(input, state) : ((IMemoryLayer)Module).Step(input, state);

    /// <summary>Reads the input in pieces, by Step where a piece is one token and <paramref name="step"/> says so.</summary>
    public Tensor Read(Tensor input, MemoryState state, IEnumerable<long> pieces, Func<bool> step)
    {
        var outputs = new List<Tensor>();
        long start = 0;
        foreach (long length in pieces)
        {
            outputs.Add(length == 1 && step()
                ? Step(input.select(1, start), state).unsqueeze(1)
                : Prefill(input.narrow(1, start, length), state));
            start += length;
        }
        return cat(outputs, 1);
    }

    public void Dispose()
    {
        Module.Dispose();
        random.Dispose();
    }

    private static bool IsLikeOthers(string name) => name is not (nameof(HugeModel) or nameof(HierarchicalMixtureModel) or nameof(PaperHierarchicalModel));

    private long Width => Module is GatedDeltaLayer or MixtureLayer ? 6 : 8;
}
