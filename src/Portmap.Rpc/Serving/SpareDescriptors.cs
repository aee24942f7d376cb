using Microsoft.Win32.SafeHandles;

namespace Portmap.Rpc.Serving;

/// <summary>
/// A few descriptors that are kept for the moment when there is none left: the runtime needs some
/// to load what it reports that with.
/// </summary>
/// <remarks>Safe for any thread.</remarks>
internal sealed class SpareDescriptors : IDisposable
{
    private const int Count = 8;

    private readonly Lock _gate = new();
    private readonly List<SafeFileHandle> _held = new(Count);

    /// <summary>Takes all of them, or none: then there is no room to go on yet.</summary>
    public bool TryTake()
    {
        lock (_gate)
        {
            try
            {
                while (_held.Count < Count)
                {
                    _held.Add(File.OpenHandle("/dev/null"));
                }

                return true;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Release();
                return !OperatingSystem.IsLinux() || e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException;
            }
        }
    }

    /// <summary>Gives them to whoever needs one.</summary>
    public void Release()
    {
        lock (_gate)
        {
            _held.ForEach(handle => handle.Dispose());
            _held.Clear();
        }
    }

    public void Dispose() => Release();
}
