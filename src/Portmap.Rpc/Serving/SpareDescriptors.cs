using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Rpc.Serving;

/// <summary>
/// A few descriptors that are kept for the moment when there is none left: the runtime needs some
/// to load code, and ends the process ("Out of memory") when it gets none.
/// </summary>
/// <remarks>So that moment must not come by what we accept: whoever accepts stops a few before the
/// end, and sees that by the number he was given, for the kernel gives the lowest that is free
/// (open(2)). Safe for any thread.</remarks>
internal sealed class SpareDescriptors : IDisposable
{
    private const int Count = 8, Margin = 8;

    private readonly Lock _gate = new();
    private readonly List<SafeFileHandle> _held = new(Count);

    /// <summary>Whether so few are left, after one with this number, that no more are to be
    /// accepted.</summary>
    public static bool AreLastAfter(nint descriptor) => descriptor + Margin >= Posix.DescriptorLimit;

    /// <summary>Takes all of them, or none: then there is no room to go on yet.</summary>
    public bool TryTake()
    {
        lock (_gate)
        {
            if (OperatingSystem.IsLinux() && Posix.DescriptorLimit - Descriptors.Open() + _held.Count < Count + Margin)
            {
                return false;
            }

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
