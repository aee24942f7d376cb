using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>A folder on a disk that fails at the operation it is told to, and forgets at a power
/// loss what was not synced.</summary>
/// <remarks> As mean as POSIX lets a disk be. A power loss keeps any of the pages that were not
/// synced, in any order, and any of the names. A failed fsync has made any of the pages durable and
/// marks the others clean all the same, so that the next fsync succeeds over nothing (Linux does
/// that), also of another process. A failed rename may have happened. It is a simulation because no
/// real disk can be told to lose power at one operation after the other.
/// </remarks>
internal sealed class SimulatedDisk(int seed = 0) : IDisposable
{
    private const int PageSize = 512;

    private readonly Random _random = new(seed);
    private readonly Dictionary<string, Inode> _durableNames = [];
    private readonly HashSet<string> _changedNames = [];
    private readonly Dictionary<string, Inode> _names = [];
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _released = new(initialState: true);
    private int _generation;
    private Func<DiskOperation, string, bool>? _held;
    private TaskCompletionSource? _reached;
    private (DiskOperation Operation, string Name, bool Tears)? _failing;

    /// <summary>How many operations there were.</summary>
    public int Operations { get; private set; }

    /// <summary>The operation that the fault strikes, counted from 1; 0 for none.</summary>
    public int FaultAt { get; set; }

    public DiskFault Fault { get; set; }

    /// <summary>Whether everything fails, as on a full disk.</summary>
    public bool IsFull { get; set; }

    /// <summary>A seeded bug: what is synced is not.</summary>
    public DiskOperation? LiesAbout { get; init; }

    /// <summary>Whether the process or the host is gone: whatever it still tries has no
    /// effect.</summary>
    public bool IsGone { get; private set; }

    /// <summary>The folder as a process that starts now finds it.</summary>
    public IStateFolder Folder() => new FolderOfProcess(this, _generation);

    /// <summary>A new process after a kill or a power loss, on a disk that works.</summary>
    public void Restart()
    {
        lock (_gate)
        {
            _generation++;
            IsGone = false;
            Fault = DiskFault.None;
            IsTaken = false;
        }
    }

    public bool IsTaken { get; set; }

    /// <summary>Makes one operation wait until <see cref="Release"/>.</summary>
    /// <returns>What is held. Declare it after a store whose end waits for the operation: it lets go
    /// when it is disposed, so that a test which fails meanwhile ends as well.</returns>
    public Held Hold(Func<DiskOperation, string, bool> which)
    {
        lock (_gate)
        {
            _released.Reset();
            _held = which;
            _reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new Held(this, _reached.Task);
        }
    }

    /// <summary>Makes the next operation of a kind on a file fail, whenever that is.</summary>
    /// <param name="operation">The kind.</param>
    /// <param name="name">The file; empty for the folder.</param>
    /// <param name="tears">Whether a part of it has happened all the same.</param>
    public void FailsNext(DiskOperation operation, string name, bool tears = false)
    {
        lock (_gate)
        {
            _failing = (operation, name, tears);
        }
    }

    /// <summary>Whether the failure that was asked for is still to come.</summary>
    public bool WillFail
    {
        get
        {
            lock (_gate)
            {
                return _failing is not null;
            }
        }
    }

    public void Release() => _released.Set();

    public long LengthOf(string name)
    {
        lock (_gate)
        {
            return _names[name].Length;
        }
    }

    public byte[] ContentOf(string name)
    {
        lock (_gate)
        {
            return _names[name].Bytes();
        }
    }

    public IReadOnlyCollection<string> Names
    {
        get
        {
            lock (_gate)
            {
                return [.. _names.Keys];
            }
        }
    }

    /// <summary>Everything that was not synced may be lost, and a part of it is.</summary>
    public void LosePower()
    {
        lock (_gate)
        {
            IsGone = true;
            foreach (string name in _changedNames)
            {
                Settle(name, keepsNew: _random.Next(2) == 0);
            }

            _changedNames.Clear();
            _names.Clear();
            foreach ((string name, Inode inode) in _durableNames)
            {
                inode.LosePower(_random);
                _names[name] = inode;
            }
        }
    }

    public void Dispose() => _released.Dispose();

    private T Do<T>(int generation, DiskOperation operation, string name, Func<T> whole, Action? torn = null)
    {
        if (Wait(operation, name) is { } held)
        {
            held.Wait();
        }

        lock (_gate)
        {
            if (IsGone || generation != _generation)
            {
                throw new IOException("The process is gone.");
            }

            Operations++;
            if (IsFull && operation is DiskOperation.Write or DiskOperation.Create)
            {
                torn?.Invoke();
                throw new IOException("No space left on device", 28);
            }

            if (_failing is { } failing && (failing.Operation, failing.Name) == (operation, name))
            {
                _failing = null;
                if (failing.Tears)
                {
                    torn?.Invoke();
                }

                throw new IOException("Input/output error", 5);
            }

            if (Operations != FaultAt || Fault == DiskFault.None)
            {
                return operation == LiesAbout ? default! : whole();
            }

            // The kernel finishes the sync of a process that was killed.
            bool goesOn = Fault == DiskFault.Killed && operation is (DiskOperation.SyncFile or DiskOperation.SyncFolder);
            if (Fault != DiskFault.Fails && !goesOn)
            {
                torn?.Invoke();
            }

            switch (Fault)
            {
                case DiskFault.Killed:
                    IsGone = true;
                    throw new IOException("The process is gone.");
                case DiskFault.PowerLost:
                    LosePower();
                    throw new IOException("The process is gone.");
                default:
                    throw new IOException("Input/output error", 5);
            }
        }
    }

    private ManualResetEventSlim? Wait(DiskOperation operation, string name)
    {
        lock (_gate)
        {
            if (_held is null || !_held(operation, name))
            {
                return null;
            }

            _held = null;
            _reached!.SetResult();
            return _released;
        }
    }

    private void Settle(string name, bool keepsNew)
    {
        if (!keepsNew)
        {
            return;
        }

        if (_names.TryGetValue(name, out Inode? inode))
        {
            _durableNames[name] = inode;
        }
        else
        {
            _durableNames.Remove(name);
        }
    }

    private sealed class FolderOfProcess(SimulatedDisk disk, int generation) : IStateFolder
    {
        private bool _hasTaken;

        public string Path => "/simulated";

        public void Take() => disk.Do(generation, DiskOperation.Take, string.Empty, () =>
        {
            if (disk.IsTaken)
            {
                StoreRefusals.StateInUse("The simulated state", Environment.ProcessId).Throw();
            }

            return disk.IsTaken = _hasTaken = true;
        });

        public IStateFile? Open(string name) => disk.Do(generation, DiskOperation.Open, name, () => disk._names.TryGetValue(name, out Inode? inode) ? Opened(name, inode) : null);

        public IStateFile Create(string name)
        {
            Inode Made()
            {
                disk._changedNames.Add(name);
                return disk._names[name] = new Inode();
            }

            return disk.Do(generation, DiskOperation.Create, name, () => Opened(name, Made()), () => Made());
        }

        public void Rename(string from, string to)
        {
            bool Moved()
            {
                disk._names[to] = disk._names[from];
                disk._names.Remove(from);
                disk._changedNames.Add(from);
                return disk._changedNames.Add(to);
            }

            disk.Do(generation, DiskOperation.Rename, to, Moved, () => Moved());
        }

        public void Delete(string name)
        {
            bool Deleted() => disk._names.Remove(name) && disk._changedNames.Add(name);
            disk.Do(generation, DiskOperation.Delete, name, Deleted, () => Deleted());
        }

        public void Sync()
        {
            int Synced(Func<string, bool> which)
            {
                foreach (string name in disk._changedNames)
                {
                    disk.Settle(name, which(name));
                }

                disk._changedNames.Clear();   // clean, whether written or not
                return 0;
            }

            disk.Do(generation, DiskOperation.SyncFolder, string.Empty, () => Synced(_ => true), () => Synced(_ => disk._random.Next(2) == 0));
        }

        public void Dispose()
        {
            // The kernel gives the lock back whatever happened; a process that is gone has lost it
            // already.
            lock (disk._gate)
            {
                disk.IsTaken &= !_hasTaken || generation != disk._generation;
                _hasTaken = false;
            }
        }

        private FileOfProcess Opened(string name, Inode inode) => new(disk, generation, name, inode);
    }

    private sealed class FileOfProcess(SimulatedDisk disk, int generation, string name, Inode inode) : IStateFile
    {
        public long Length => inode.Length;

        public int Read(Span<byte> buffer, long offset)
        {
            int asked = buffer.Length;
            byte[] read = disk.Do(generation, DiskOperation.Read, name, () => inode.Read((int)offset, asked));
            read.CopyTo(buffer);
            return read.Length;
        }

        public void Write(ReadOnlySpan<byte> bytes, long offset)
        {
            byte[] written = bytes.ToArray();
            disk.Do(generation, DiskOperation.Write, name, () => inode.Write(written, (int)offset), () => inode.Write(written.AsSpan(0, disk._random.Next(written.Length + 1)), (int)offset));
        }

        public void Truncate(long length) =>
            disk.Do(generation, DiskOperation.Truncate, name, () => inode.Truncate((int)length), () => inode.Truncate((int)length));

        public void Sync() => disk.Do(generation, DiskOperation.SyncFile, name, () => inode.Sync(_ => true), () => inode.Sync(_ => disk._random.Next(2) == 0));

        public void Dispose()
        {
        }
    }

    /// <param name="disk">The disk.</param>
    /// <param name="reached">Completes when the operation has been reached.</param>
    public sealed class Held(SimulatedDisk disk, Task reached) : IDisposable
    {
        public Task Reached => reached;

        public void Dispose() => disk.Release();
    }

    /// <summary>A file's pages in memory and on the disk.</summary>
    private sealed class Inode
    {
        private readonly HashSet<int> _dirty = [];
        private byte[] _cached = [];
        private byte[] _durable = [];
        private int _durableLength;

        public int Length { get; private set; }

        public byte[] Bytes() => _cached[..Length];

        public byte[] Read(int offset, int atMost) => offset >= Length ? [] : _cached[offset..Math.Min(Length, offset + atMost)];

        public int Write(ReadOnlySpan<byte> bytes, int offset)
        {
            Length = Math.Max(Length, offset + bytes.Length);
            Grow(ref _cached, Length);
            bytes.CopyTo(_cached.AsSpan(offset));
            for (int page = offset / PageSize; page <= (offset + bytes.Length - 1) / PageSize; page++)
            {
                _dirty.Add(page);
            }

            return bytes.Length;
        }

        public int Truncate(int length)
        {
            Array.Clear(_cached, length, Math.Max(0, Length - length));
            _dirty.Add(length / PageSize);
            return Length = length;
        }

        public int Sync(Func<int, bool> which)
        {
            Keep(which);
            _dirty.Clear();   // clean, whether written or not
            return _durableLength = Length;
        }

        public void LosePower(Random random)
        {
            Keep(_ => random.Next(2) == 0);
            _dirty.Clear();
            Length = random.Next(2) == 0 ? Length : _durableLength;
            Grow(ref _durable, Length);
            _cached = [.. _durable];
            _durableLength = Length;
            Array.Clear(_cached, Length, _cached.Length - Length);
        }

        private void Keep(Func<int, bool> which)
        {
            Grow(ref _durable, _cached.Length);
            foreach (int page in _dirty.Where(which).Where(page => page * PageSize < _cached.Length))
            {
                _cached.AsSpan(page * PageSize, PageSize).CopyTo(_durable.AsSpan(page * PageSize));
            }
        }

        private static void Grow(ref byte[] bytes, int length)
        {
            if (bytes.Length < length)
            {
                Array.Resize(ref bytes, Math.Max(2 * bytes.Length, (length + PageSize - 1) / PageSize * PageSize));
            }
        }
    }
}
