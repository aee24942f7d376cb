namespace Portmap.Persistence;

/// <summary>
/// A state folder for as long as a store may touch it. <see cref="LetGo"/> ends that from any
/// thread, whatever the store is doing.
/// </summary>
/// <remarks>
/// <code>
///   _state   ┌─ 1 bit: let go ─┬─ 31 bits: how many changes are under way ─┐
/// </code>
/// A change is a call after which the folder may differ: take, create, write, truncate, rename,
/// delete.
/// <list type="bullet">
/// <item>L1. Once it is let go no call begins. So a store whose opening was given up can write over
/// nothing of its successor.</item>
/// <item>L2. The folder is given back, and with it the lock, by whoever let go, or by the last
/// change that was under way then. A read or a sync that hangs keeps nobody out: it changes nothing
/// of what the next one finds.</item>
/// </list>
/// Progress: LetGo waits for no change, read, write or sync of the store; for an open, and for the
/// look where the path leads that follows a sync, as long as the system takes for it.
/// </remarks>
internal sealed class HeldFolder(IStateFolder folder) : IStateFolder
{
    private const int Gone = int.MinValue;

    private int _state;

    public string Path => folder.Path;

    /// <summary>The store has no hand on the folder any more.</summary>
    /// <remarks>Doing it twice does nothing.</remarks>
    public void LetGo()
    {
        if (Interlocked.Or(ref _state, Gone) == 0)
        {
            folder.Dispose();
        }
    }

    /// <summary>Has a token let go.</summary>
    public CancellationTokenRegistration LetGoWhen(CancellationToken cancellationToken) =>
        cancellationToken.UnsafeRegister(static folder => ((HeldFolder)folder!).LetGo(), this);

    public void Take() => Change(folder, static folder => folder.Take());

    public IStateFile? Open(string name)
    {
        ThrowIfGone();
        return folder.Open(name) is { } file ? new HeldFile(this, file) : null;
    }

    public IStateFile Create(string name)
    {
        IStateFile? file = null;
        Change(folder, folder => file = folder.Create(name));
        return new HeldFile(this, file!);
    }

    public void Rename(string from, string to) => Change(folder, folder => folder.Rename(from, to));

    public void Delete(string name) => Change(folder, folder => folder.Delete(name));

    /// <summary>Gives back the room of a new file that will not take the place of another one, so
    /// that the disk is not full because of it; one that did has left that name.</summary>
    public void GiveUp(IStateFile? file, string name)
    {
        try
        {
            file?.Dispose();
            Delete(name);
        }
        catch (Exception)
        {
            // It is of no use to anybody, and the next one takes its place.
        }
    }

    public void Sync()
    {
        ThrowIfGone();
        folder.Sync();
    }

    /// <summary>Gives it back; it may be taken again, unless it was let go.</summary>
    public void Dispose() => folder.Dispose();

    private void Change<T>(T target, Action<T> change)
    {
        Begin();
        try
        {
            change(target);
        }
        finally
        {
            End();
        }
    }

    private void Begin()
    {
        int state = Volatile.Read(ref _state);
        while (true)
        {
            ThrowIfGone(state);
            int seen = Interlocked.CompareExchange(ref _state, state + 1, state);   // counts the change before LetGo looks, or fails
            if (seen == state)
            {
                return;
            }

            state = seen;
        }
    }

    private void End()
    {
        if (Interlocked.Decrement(ref _state) == Gone)
        {
            folder.Dispose();
        }
    }

    private void ThrowIfGone() => ThrowIfGone(Volatile.Read(ref _state));

    private void ThrowIfGone(int state)
    {
        if (state < 0)
        {
            throw new OperationCanceledException($"The store has let go of {Path}: what it was doing was given up.");
        }
    }

    private sealed class HeldFile(HeldFolder holder, IStateFile file) : IStateFile
    {
        public long Length => file.Length;

        public int Read(Span<byte> buffer, long offset)
        {
            holder.ThrowIfGone();
            return file.Read(buffer, offset);
        }

        public void Write(ReadOnlySpan<byte> bytes, long offset)
        {
            holder.Begin();
            try
            {
                file.Write(bytes, offset);
            }
            finally
            {
                holder.End();
            }
        }

        public void Truncate(long length) => holder.Change(file, file => file.Truncate(length));

        public void Sync()
        {
            holder.ThrowIfGone();
            file.Sync();
        }

        public void Dispose() => file.Dispose();
    }
}
