using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Metrics;
using Memory.Gen.Training.Tokenizers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Training;

/// <summary>
/// Trains a model on documents with AdamW. Rows read documents from beginning to end and carry their state from window to window;
/// gradients stay within a window, whose graph a model with <c>BackpropSegments</c> need not hold as a whole. A run that is resumed goes on bit for bit as if it had not stopped (same machine, provider and number
/// of threads; a run with a <see cref="TrainingOptions.Duration"/> as far as the clock allows).
/// </summary>
public sealed class Trainer : IDisposable
{
    // Shorter documents than this many windows are joined: at most an eighth of a batch is padding then.
    private const int BundledWindows = 4;

    // Of a checkpoint: a token's share of the vocabulary's files, and what loss curve, headers and the random numbers' state come to.
    private const long VocabularyBytes = 32, DescriptionBytes = 1 << 17;

    private readonly IMemoryModel model;
    private readonly nn.Module module;
    private readonly ITokenizer tokenizer;
    private readonly TrainingOptions options;
    private readonly TokenizedText text, validation;
    private readonly DocumentBatches batches;
    private readonly Optimization optimization;
    private readonly Checkpoints? checkpoints;
    private readonly Lazy<string> fingerprint;
    private readonly List<LossPoint> validations = [];
    private MemoryState state;
    private LossHistory history = new();
    private bool fresh = true;
    private long begun;
    private double seconds, secondsAtSave, lastStep, recentSeconds, recentTokens;

    /// <summary>Prepares a new run.</summary>
    /// <param name="model">A model; its parameters are trained in place.</param>
    /// <param name="corpus">Text to train on and to validate on.</param>
    /// <param name="tokenizer">Makes tokens of it; at most as many as the model knows.</param>
    /// <param name="options">How to train.</param>
    /// <param name="folder">Where checkpoints go, or null for none. Those of an earlier run there move to <see cref="EarlierCheckpoints"/> when the
    /// first one of this run is saved.</param>
    /// <exception cref="TrainingException">An option makes no sense, or model, tokenizer and text do not fit together.</exception>
    /// <exception cref="MemoryFileException">The folder can take no checkpoint: there is no room, or nothing can be written.</exception>
    public Trainer(IMemoryModel model, Corpus corpus, ITokenizer tokenizer, TrainingOptions options, string? folder = null)
    {
        options.Check();
        this.model = model;
        this.tokenizer = tokenizer;
        this.options = options;
        module = model as nn.Module ?? throw new ArgumentException($"{model.GetType().Name} is no torch module.", nameof(model));
        text = TokenizedText.Encode(corpus.Training, tokenizer, BundledWindows * options.Window, options.SectionTokens).Interleaved(options.InterleaveTokens);
        fingerprint = new Lazy<string>(text.Fingerprint);
        validation = TokenizedText.Encode(corpus.Validation, tokenizer).Interleaved(options.InterleaveTokens).Excerpt(options.ValidationTokens);
        batches = DocumentBatches.ForTraining(text, options.Batch, options.Window, options.Seed);
        RequireVocabulary();
        optimization = new Optimization(module, options);
        state = model.NewState(options.Batch);
        Stretch = model.Card.StretchTokens is { } tokens && options.Window % tokens == 0 ? (int)tokens : options.Window;
        if (folder is not null) checkpoints = new Checkpoints(folder);
        checkpoints?.RequireRoom(CheckpointBytes);
    }

    /// <summary>Goes on where a checkpoint was saved.</summary>
    /// <param name="model">A model of the class and declaration that was trained; it gets the checkpoint's weights.</param>
    /// <param name="corpus">The text that was trained on.</param>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="folder">Where further checkpoints go, or null for none. Those after this one there move to <see cref="EarlierCheckpoints"/> when the
    /// first one is saved.</param>
    /// <param name="options">Other options, to train longer for instance; null keeps those of the run. Batch, window, section length, interleaving and seed must stay.</param>
    /// <exception cref="MemoryFileException">The checkpoint is of another model, or the folder can take no further one.</exception>
    /// <exception cref="TrainingException">The text is another one, or the options do not fit.</exception>
    public static Trainer Resume(IMemoryModel model, Corpus corpus, Checkpoint checkpoint, string? folder = null, TrainingOptions? options = null)
    {
        checkpoint.Require(model);
        var saved = checkpoint.Snapshot;
        options ??= saved.Options;
        var own = saved.Options;
        if ((options.Batch, options.Window, options.SectionTokens, options.InterleaveTokens, options.Seed)
            != (own.Batch, own.Window, own.SectionTokens, own.InterleaveTokens, own.Seed))
            throw new TrainingException($"A run is resumed with its own batch ({own.Batch}), window ({own.Window}), section length ({own.SectionTokens}), interleaving ({own.InterleaveTokens}) and seed ({own.Seed}).");
        var trainer = new Trainer(model, corpus, checkpoint.LoadTokenizer(), options, folder);
        try
        {
            trainer.Restore(checkpoint);
            return trainer;
        }
        catch
        {
            trainer.Dispose();
            throw;
        }
    }

    /// <summary>Called with all parameters between the backward pass and clipping: where gradients are averaged over machines. That of a parameter that took no part
    /// in the step is null: of what writes to a memory, for instance, where all texts ended before what they wrote was read.</summary>
    public Action<IReadOnlyList<Parameter>>? ReduceGradients { get; set; }

    /// <summary>What measures the time spent in steps.</summary>
    internal TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>
    /// Tokens of a row whose graph is held at once: those of a stretch that no gradient leaves where windows are whole stretches (documents begin where
    /// windows do, so all rows stand at the same place of theirs), else a window.
    /// </summary>
    internal int Stretch { get; set; }

    /// <summary>About what a checkpoint takes: the weights and two moments of each, the rows' states, the vocabulary and the description.</summary>
    internal long CheckpointBytes => 3 * optimization.Parameters.Sum(p => p.numel() * p.ElementSize)
        + options.Batch * model.Card.StateBytes(Math.Max(options.Window, options.SectionTokens), state.Dtype) + VocabularyBytes * tokenizer.VocabSize + DescriptionBytes;

    /// <summary>How the run trains.</summary>
    public TrainingOptions Options => options;

    /// <summary>Optimizer steps done.</summary>
    public long Step { get; private set; }

    /// <summary>Tokens predicted.</summary>
    public long Tokens { get; private set; }

    /// <summary>Bytes of text they stand for.</summary>
    public long Bytes { get; private set; }

    /// <summary>Time spent in steps.</summary>
    public TimeSpan Elapsed => TimeSpan.FromSeconds(seconds);

    /// <summary>Share of the run that is done, 0 to 1.</summary>
    public double Fraction => Math.Min(1, options.Steps is { } steps ? Step / (double)steps : seconds / options.Duration!.Value.TotalSeconds);

    /// <summary>The training loss.</summary>
    public IReadOnlyList<LossPoint> History => history.Points;

    /// <summary>Bits a byte on an excerpt of the held-out text, at the validations.</summary>
    public IReadOnlyList<LossPoint> Validations => validations;

    /// <summary>Folder of the checkpoint saved last, or null.</summary>
    public string? LastCheckpoint { get; private set; }

    /// <summary>Folder, <c>earlier-N</c> in this run's, to which the checkpoints of an earlier run, or those after the one that this run went on from, were moved; null where there were none.</summary>
    public string? EarlierCheckpoints { get; private set; }

    /// <summary>Trains until the run is done or someone asks it to stop, then saves a checkpoint.</summary>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellation">Stops after the step that is running.</param>
    /// <exception cref="TrainingException">The loss is no number any more; nothing is saved then.</exception>
    /// <exception cref="MemoryFileException">A checkpoint could not be saved; those before are as they were.</exception>
    public TrainingOutcome Run(Action<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        var precision = Projection.MatmulPrecision;
        Projection.MatmulPrecision = options.MatmulPrecision ?? precision;
        module.train();
        try
        {
            while (Fraction < 1 && !cancellation.IsCancellationRequested)
            {
                var report = TakeStep();
                progress?.Invoke(report);
                if (validations.Count < options.Validations && Fraction >= (validations.Count + 1.0) / options.Validations) Validate();
                if (seconds - secondsAtSave >= options.CheckpointInterval.TotalSeconds) Save();
            }
        }
        finally
        {
            Projection.MatmulPrecision = precision;
        }

        if (Step > 0) Save();
        return Fraction >= 1 ? TrainingOutcome.Finished : TrainingOutcome.Stopped;
    }

    /// <summary>Frees the optimizer's moments and the rows' states; the model stays.</summary>
    public void Dispose()
    {
        optimization.Dispose();
        state.Dispose();
    }

    private TrainingProgress TakeStep()
    {
        long started = Clock.GetTimestamp();
        var dealt = batches.Next()!;
        var batch = CountedPredictions.Of(dealt, model, options.Window, text.ByteLengths);
        double learningRate = Schedule.LearningRate(options, options.Steps is { } steps
            ? (Step + 1) / (double)steps
            : (seconds + lastStep) / options.Duration!.Value.TotalSeconds);
        double loss, norm;
        using (NewDisposeScope())
        {
            if (batch.Starts.Length > 0) state.Reset(batch.Starts);
            Tensor inputs = tensor(batch.Inputs, device: state.Device).view(options.Batch, options.Window);
            Tensor targets = tensor(batch.Targets, device: state.Device).view(inputs.shape);
            Tensor padding = tensor(dealt.Targets, device: state.Device).eq(DocumentBatches.Ignored).view(inputs.shape);
            module.zero_grad();
            loss = 0;
            for (int start = 0; start < options.Window; start += Stretch)
            {
                loss += Learn(inputs.narrow(1, start, Stretch), targets.narrow(1, start, Stretch), padding.narrow(1, start, Stretch), batch.Tokens, learningRate);
                if (Stretch < options.Window) LetGraphGo();
            }

            ReduceGradients?.Invoke(optimization.Parameters);
            norm = optimization.Step(learningRate, options.ClipNorm);
            RequireNumber("norm of the gradient", norm, learningRate);
        }
        lastStep = Clock.GetElapsedTime(started).TotalSeconds;
        seconds += lastStep;
        Step++;
        Tokens += batch.Tokens;
        Bytes += batch.Bytes;
        double bits = loss / Math.Log(2) * batch.Tokens / batch.Bytes;
        history.Add(new LossPoint(Step, seconds, bits));
        (recentSeconds, recentTokens) = (0.9 * recentSeconds + lastStep, 0.9 * recentTokens + batch.Tokens);
        double left = options.Steps is { } total ? (total - Step) * recentSeconds * batch.Tokens / recentTokens : options.Duration!.Value.TotalSeconds - seconds;
        return new TrainingProgress(Step, Fraction, loss, bits, learningRate, norm, recentTokens / recentSeconds, Elapsed,
            TimeSpan.FromSeconds(Math.Clamp(left, 0, TimeSpan.FromDays(9999).TotalSeconds)), Tokens, Bytes, batches.Cursor.Epoch);
    }

    // Adds to the gradients what a part of the window gives, and returns its part of the mean loss over the predictions that count. Its graph is gone afterwards.
    private double Learn(Tensor inputs, Tensor targets, Tensor padding, int counted, double learningRate)
    {
        using var scope = NewDisposeScope();
        state.MarkPadding(padding);
        Tensor logits = model.Prefill(inputs, state), flat = targets.reshape(-1);
        double share = Stretch == options.Window ? 1 : flat.ne(DocumentBatches.Ignored).sum().item<long>() / (double)counted;
        Tensor? text = share == 0 ? null : Part(CrossEntropy.Apply(logits.view(flat.shape[0], -1), flat, DocumentBatches.Ignored), share);
        double loss = text?.to(ScalarType.Float64).item<double>() ?? 0;
        RequireNumber("loss", loss, learningRate);
        // What is reported is the loss of the text alone.
        Tensor? auxiliary = state.AuxiliaryLoss is { } balance ? Part(balance, Stretch / (double)options.Window) : null;
        (text is not null && auxiliary is not null ? text + auxiliary : text ?? auxiliary)?.backward();
        state.Detach();
        return loss;

        static Tensor Part(Tensor whole, double share) => share == 1 ? whole : whole * share;
    }

    // Nodes of TorchSharp's package hold what forward saved until the collector comes for them, which does not know how much that is.
    private static void LetGraphGo()
    {
        GC.Collect(1);
        GC.WaitForPendingFinalizers();
    }

    private void RequireNumber(string what, double value, double learningRate)
    {
        if (double.IsFinite(value)) return;
        string kept = LastCheckpoint is null ? "No checkpoint was saved yet" : $"The last checkpoint, {LastCheckpoint}, is as it was";
        throw new TrainingException(FormattableString.Invariant(
            $"The {what} became {value} in step {Step + 1} at a learning rate of {learningRate:G3}. {kept}; train again with a lower learning rate."));
    }

    private void Validate()
    {
        double bits = Evaluation.Measure(model, validation).BitsPerByte;
        validations.Add(new LossPoint(Step, seconds, bits));
    }

    private void Save()
    {
        secondsAtSave = seconds;
        if (checkpoints is null) return;
        if (fresh) EarlierCheckpoints = checkpoints.SetAside(after: begun);
        fresh = false;
        LastCheckpoint = checkpoints.Save(Step, folder =>
        {
            tokenizer.Save(folder);
            module.SaveWeights(Path.Combine(folder, Checkpoint.Weights));
            optimization.Save(Path.Combine(folder, Checkpoint.Optimizer));
            state.Save(Path.Combine(folder, Checkpoint.Memory));
            CheckpointManifest.Write(folder, new TrainingSnapshot
            {
                Model = model.GetType().Name,
                Declaration = model.Declaration,
                Options = options,
                Text = fingerprint.Value,
                Step = Step,
                Seconds = seconds,
                Fraction = Fraction,
                Tokens = Tokens,
                Bytes = Bytes,
                Cursor = batches.Cursor,
                History = history.Snapshot(),
                Validations = [.. validations],
            });
        });
    }

    private void Restore(Checkpoint checkpoint)
    {
        var saved = checkpoint.Snapshot;
        if (saved.Text != fingerprint.Value)
            throw new TrainingException($"{checkpoint.Path} was trained on another text; resume with the text of the first run, or begin a new run.");
        checkpoint.LoadWeights(model);
        optimization.Load(checkpoint.File(Checkpoint.Optimizer));
        var loaded = model.LoadState(checkpoint.File(Checkpoint.Memory), state.Device);
        if (loaded.Batch != options.Batch)
        {
            loaded.Dispose();
            throw new MemoryFileException(checkpoint.Path, $"holds the states of {loaded.Batch} rows instead of {options.Batch}. Use another checkpoint.");
        }
        state.Dispose();
        state = loaded;
        batches.Cursor = saved.Cursor;
        (Step, Tokens, Bytes) = (saved.Step, saved.Tokens, saved.Bytes);
        begun = saved.Step;
        seconds = secondsAtSave = saved.Seconds;
        history = LossHistory.From(saved.History);
        validations.AddRange(saved.Validations);
        LastCheckpoint = checkpoint.Path;
    }

    private void RequireVocabulary()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var probe = model.NewState(1);
        long known = model.Prefill(zeros(1, 1, dtype: ScalarType.Int64, device: probe.Device), probe).shape[2];
        if (tokenizer.VocabSize > known)
            throw new TrainingException($"The tokenizer has {tokenizer.VocabSize} tokens and {model.GetType().Name} knows {known}; declare it with VocabSize = {tokenizer.VocabSize} or train a smaller tokenizer.");
    }
}
