using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Persistence;

/// <summary>A file of the real folder.</summary>
/// <remarks>Its sync counts only while the folder still shows it under its name.</remarks>
internal sealed class StateFile(StateFolder folder, SafeFileHandle handle, string name) : IStateFile
{
    private volatile string _name = name;

    public long Length => RandomAccess.GetLength(handle);

    /// <summary>What it is called now; the folder renames it.</summary>
    public string Name
    {
        get => _name;
        set => _name = value;
    }

    public SafeFileHandle Handle => handle;

    public int Read(Span<byte> buffer, long offset) => RandomAccess.Read(handle, buffer, offset);

    public void Write(ReadOnlySpan<byte> bytes, long offset) => RandomAccess.Write(handle, bytes, offset);

    public void Truncate(long length) => RandomAccess.SetLength(handle, length);

    public void Sync()
    {
        if (OperatingSystem.IsLinux())
        {
            Posix.Sync(handle, Path.Combine(folder.Path, Name));
            folder.EnsureStillThere(this);
        }
        else
        {
            RandomAccess.FlushToDisk(handle);
        }
    }

    public void Dispose()
    {
        folder.Forget(this);
        handle.Dispose();
    }
}
