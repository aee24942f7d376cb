using System.Buffers;
using Portmap.Native;

namespace Portmap.Persistence;

/// <summary>The built-in store: one append-only file that a person can read.</summary>
/// <remarks>
/// DESIGN.md beside this file has the grammar and the reasons.
/// <code>
///   append   write the batch at the end · fsync                               └ confirmed from here on
///   compact  write what stands to a new file · fsync · what came meanwhile · fsync · rename · fsync the folder
///            └──── appends go on ────────────────┘   └──── an append waits ──────────────────────────────────┘
/// </code>
/// <list type="bullet">
/// <item>S1. <c>_facts</c> holds every fact that was confirmed, or one that stands against it. So
/// everything can be written anew at any time.</item>
/// <item>S2. The file of the name, up to <c>_length</c>, holds the same, and is durable under that
/// name, unless <c>_isSuspect</c>.</item>
/// <item>S3. Nothing is confirmed while <c>_isSuspect</c>: an append then writes everything anew,
/// name included. It outlives the store: only one that is closed without it leaves
/// <see cref="SettledMark"/>.</item>
/// <item>S4. What is cancelled while it runs has let go of the folder when the cancellation returns
/// (<see cref="HeldFolder"/>): nothing is written, renamed or cut after that, and another store may
/// take it.</item>
/// <item>S5. <c>_gate</c> guards all fields but <c>_batch</c>, which is the one caller's. The loop
/// that writes a compacted file works on a copy and takes it only for the end.</item>
/// </list>
/// </remarks>
internal sealed partial class FilePortStore : IPortStore
{
    /// <summary>The file of the state.</summary>
    public const string FileName = "portmap.state";

    /// <summary>The file that will take its place; what a crash left of it is deleted.</summary>
    public const string NextName = "portmap.state.new";

    private readonly HeldFolder _folder;
    private readonly StateReader _reader;
    private readonly TimeProvider _time;
    private readonly int _allowedLength;
    private readonly Lock _gate = new();
    private readonly PortFactSet _facts = new();
    private readonly ArrayBufferWriter<byte> _batch = new();
    private IStateFile? _file;
    private long _length;
    private bool _isTorn;
    private bool _isSuspect = true;

    /// <summary>A store in a folder of the disk.</summary>
    /// <remarks>Nothing is touched before <see cref="LoadAsync"/>.</remarks>
    public FilePortStore(string folder, TimeProvider time)
        : this(new StateFolder(folder), time)
    {
    }

    /// <param name="folder">The folder.</param>
    /// <param name="time">For what has cooled.</param>
    /// <param name="allowedLength">How large the file may always be.</param>
    public FilePortStore(IStateFolder folder, TimeProvider time, int allowedLength = AllowedLength)
    {
        _folder = new HeldFolder(folder);
        _reader = new StateReader(_folder);
        _time = time;
        _allowedLength = allowedLength;
    }

    /// <summary>What stands, once it was loaded: for who opens a registry on it, before anything
    /// else is done with it.</summary>
    /// <remarks>To fold the same facts a second time takes as long as to read them.</remarks>
    public PortFactSet Facts => _facts;

    public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken)
    {
        Load(onUnreadable, cancellationToken);
        Array.ForEach(Standing(), onFact);
        return ValueTask.CompletedTask;
    }

    /// <summary>As <see cref="LoadAsync"/>; the facts are in <see cref="Facts"/> then.</summary>
    public void Load(Action<string> onUnreadable, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_file is not null)
        {
            throw new InvalidOperationException("The store is open; load once.");
        }

        using CancellationTokenRegistration _ = _folder.LetGoWhen(cancellationToken);
        try
        {
            List<string> complaints = [];
            Guarded(() => Open(complaints, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
            complaints.ForEach(onUnreadable);
        }
        catch
        {
            Close();
            throw;
        }
    }

    public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _batch.ResetWrittenCount();
        FactBlock.Encode(batch, _batch);

        using CancellationTokenRegistration _ = _folder.LetGoWhen(cancellationToken);
        await GiveWayAsync(_batch.WrittenCount).ConfigureAwait(false);
        Guarded(() => Append(batch));
    }

    public async ValueTask DisposeAsync()
    {
        await StopCompacting().ConfigureAwait(false);
        Close();
    }

    private void Open(List<string> complaints, CancellationToken cancellationToken)
    {
        _folder.Take();
        bool isSettled = SettledMark.TakeFrom(_folder);
        _file = _folder.Open(FileName);
        StateScan? scan = _file is null ? null : Read(_file, complaints, cancellationToken);
        if (scan is not { LostAny: true } && (scan is not { IsClean: true } || !isSettled || !_reader.TrySync(_file!)))
        {
            WriteAnew([]);
        }

        // What lost something is left as it is until the first append, which writes it anew together
        // with the mark of this run: else an opening that fails in between would leave a file that
        // looks sound, and the next one would not know of the loss.
        _isSuspect = scan is { LostAny: true };
        _folder.Delete(NextName);
    }

    private StateScan Read(IStateFile file, List<string> complaints, CancellationToken cancellationToken)
    {
        StateScan scan = _reader.Read(file, _facts, complaints, cancellationToken);
        _length = scan.Length;
        _facts.Forget(_time.GetUtcNow());
        return scan;
    }

    private void Append(IReadOnlyList<PortFact> batch)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_file is null, this);
            if (_isSuspect)
            {
                WriteAnew(batch);
            }
            else
            {
                WriteAtEnd(_file);
            }

            foreach (PortFact fact in batch)
            {
                _facts.Apply(fact);
            }

            TryCompactIfLarge();
        }
    }

    private void WriteAtEnd(IStateFile file)
    {
        if (_isTorn)
        {
            file.Truncate(_length);
        }

        _isTorn = true;
        file.Write(_batch.WrittenSpan, _length);

        // What a failed fsync leaves nobody knows: the kernel marks pages clean that it could not
        // write, and a second fsync then succeeds over nothing.
        _isSuspect = true;
        file.Sync();
        _isTorn = _isSuspect = false;
        _length += _batch.WrittenCount;
        RememberForCompaction(_batch.WrittenSpan);
    }

    private void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException || Errno.IsTooLong(e))
        {
            StoreRefusals.Failed(_folder.Path, e).Throw();
        }
    }

    private void Close()
    {
        lock (_gate)
        {
            if (_file is not null && !_isSuspect && !_isTorn)
            {
                SettledMark.LeaveIn(_folder, _file);
            }

            try
            {
                _file?.Dispose();
            }
            catch (Exception)
            {
                // All that was confirmed is synced, and the folder must not stay in use.
            }

            _file = null;
            _folder.Dispose();
        }
    }
}
