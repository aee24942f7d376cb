using System.Buffers;

namespace Portmap.Persistence;

/// <summary>How the file is kept small: within four times of what stands in it, or 1 MiB.</summary>
internal sealed partial class FilePortStore
{
    /// <summary>How large the file may always be.</summary>
    public const int AllowedLength = 1_024 * 1_024;

    /// <summary>How many times larger than what stands in it the file may be.</summary>
    public const int AllowedRatio = 4;

    /// <summary>Compaction begins at half of what is allowed; appends have the other
    /// half.</summary>
    private const int BeginAtPart = 2;

    /// <summary>What part of the allowed length is written at once.</summary>
    /// <remarks>
    /// So much is also appended at least until it is looked at again what stands.
    /// </remarks>
    private const int StepPart = 8;

    private Task _compaction = Task.CompletedTask;
    private ArrayBufferWriter<byte>? _meanwhile;
    private long _lookAt;
    private long _allowed;
    private bool _isFinishing;
    private bool _isStopping;

    /// <summary>The compaction that runs, or the last one.</summary>
    public Task Compaction
    {
        get
        {
            lock (_gate)
            {
                return _compaction;
            }
        }
    }

    private int StepLength => _allowedLength / StepPart;

    /// <summary>Lets a compaction go first that is at its last step or needed.</summary>
    /// <remarks>A file needs one that is suspect, or would become larger than it may be.</remarks>
    private async ValueTask GiveWayAsync(int appended)
    {
        await CompactionToWaitFor(appended, mayBegin: false).ConfigureAwait(false);

        // Once: if that fails, or there was nothing to gain, what is confirmed matters more than
        // the length.
        await CompactionToWaitFor(appended, mayBegin: true).ConfigureAwait(false);
    }

    private Task CompactionToWaitFor(int appended, bool mayBegin)
    {
        // A lock alone is not fair: an append that follows another would take it again and again
        // before the last step does.
        if (Volatile.Read(ref _isFinishing))
        {
            return _compaction;
        }

        lock (_gate)
        {
            bool isFull = _length + appended > Math.Max(_allowed, _allowedLength);
            if (isFull && mayBegin)
            {
                TryCompactIfLarge(isFull);
            }

            return isFull || _isSuspect ? _compaction : Task.CompletedTask;
        }
    }

    private async Task StopCompacting()
    {
        lock (_gate)
        {
            _isStopping = true;
        }

        await Compaction.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void RememberForCompaction(ReadOnlySpan<byte> lines) => _meanwhile?.Write(lines);

    /// <summary>Begins a compaction if it is time.</summary>
    /// <remarks>
    /// What was confirmed stays confirmed though none can begin (no memory, no thread).
    /// </remarks>
    private void TryCompactIfLarge(bool isFull = false)
    {
        try
        {
            CompactIfLarge(isFull);
        }
        catch (Exception)
        {
            _meanwhile = null;
            _lookAt = _length + StepLength;
        }
    }

    private void CompactIfLarge(bool isFull)
    {
        if ((_length < _lookAt && !isFull) || _meanwhile is not null || _isStopping)
        {
            return;
        }

        _facts.Forget(_time.GetUtcNow());
        long live = FactLine.Header.Length + _facts.Claims.Sum(fact => (long)FactLine.Measure(fact));
        _allowed = Math.Max(_allowedLength, AllowedRatio * live);
        LookAgain(live);
        if (_length <= (isFull ? BeginAtPart * live : _allowed / BeginAtPart))
        {
            return;
        }

        PortFact[] standing = Standing();
        _meanwhile = new ArrayBufferWriter<byte>();

        // A thread of its own: it waits for the disk most of the time, and the pool's threads are
        // for others.
        _compaction = Task.Factory.StartNew(
            () => Compact(standing), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void LookAgain(long live) => _lookAt = _length + Math.Max(StepLength, live / AllowedRatio);

    private PortFact[] Standing() => _facts.Mark is { } mark ? [mark, .. _facts.Claims] : _facts.ToArray();

    /// <summary>Writes a new file beside the appends, and takes it at the end.</summary>
    /// <remarks>A failure changes nothing: the file only stays large until the next look.</remarks>
    private void Compact(PortFact[] standing)
    {
        IStateFile? next = null;
        try
        {
            next = _folder.Create(NextName);
            long length = FactBlock.Write(next, standing, StepLength);
            next.Sync();
            Volatile.Write(ref _isFinishing, true);   // pairs with the read of the next append, which then waits for this task
            lock (_gate)
            {
                if (!_isStopping)
                {
                    if (_meanwhile!.WrittenCount > 0)
                    {
                        next.Write(_meanwhile.WrittenSpan, length);
                        length += _meanwhile.WrittenCount;
                        next.Sync();
                    }

                    IStateFile taken = next;
                    next = null;
                    TakeOver(taken, length);
                }
            }
        }
        catch (Exception)
        {
            // The disk is full or fails, or there is no memory. The appends will say so; here
            // nothing is lost but time.
        }
        finally
        {
            EndCompaction(next);
        }
    }

    private void EndCompaction(IStateFile? next)
    {
        lock (_gate)
        {
            _folder.GiveUp(next, NextName);   // here, where no append writes one of that name
            _meanwhile = null;
            Volatile.Write(ref _isFinishing, false);
        }
    }

    /// <summary>Writes everything to a new file and takes that.</summary>
    /// <remarks>For a new state, a damaged one, and one whose fsync has failed.</remarks>
    /// <param name="batch">What is not among the facts yet.</param>
    private void WriteAnew(IReadOnlyList<PortFact> batch)
    {
        IStateFile? next = null;
        try
        {
            next = _folder.Create(NextName);
            long length = FactBlock.Write(next, [.. Standing(), .. batch], StepLength);
            next.Sync();
            IStateFile taken = next;
            next = null;
            TakeOver(taken, length);
        }
        finally
        {
            _folder.GiveUp(next, NextName);
        }
    }

    /// <summary>Gives the new file the name.</summary>
    /// <remarks>
    /// From the rename on until the folder is synced nobody knows which of the two a crash would
    /// leave. So nothing may be confirmed in either.
    /// </remarks>
    private void TakeOver(IStateFile next, long length)
    {
        _isSuspect = true;
        try
        {
            _folder.Rename(NextName, FileName);
        }
        catch
        {
            next.Dispose();
            throw;
        }

        _file?.Dispose();
        _file = next;
        _length = length;
        LookAgain(length);
        _folder.Sync();
        _isSuspect = _isTorn = false;
    }
}
