using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portmap.TestKit;

/// <summary>While it lives, this process may have only so many descriptors more than it has. Only
/// for tests that run alone, and only around the call that is tested: .NET ends a process that gets
/// none to load code.</summary>
public sealed class FewDescriptors : IDisposable
{
    private const int DescriptorsLimited = 7;   // RLIMIT_NOFILE, getrlimit(2)

    private readonly nuint[] _before = new nuint[2];   // soft, hard
    private readonly List<SafeFileHandle> _taken = [];

    /// <param name="more">How many it may open.</param>
    public FewDescriptors(int more)
    {
        Check(GetLimit(DescriptorsLimited, _before));
        int open = Directory.GetFiles("/proc/self/fd").Length;
        Check(SetLimit(DescriptorsLimited, [(nuint)(open + more), _before[1]]));
    }

    /// <summary>Takes those that are left, until this is disposed.</summary>
    public void TakeAll()
    {
        try
        {
            while (true)
            {
                _taken.Add(File.OpenHandle("/dev/null"));
            }
        }
        catch (IOException)
        {
            // There is none left.
        }
    }

    public void Dispose()
    {
        _taken.ForEach(handle => handle.Dispose());
        Check(SetLimit(DescriptorsLimited, _before));
    }

    private static void Check(int result)
    {
        if (result != 0)
        {
            throw new InvalidOperationException($"The limit of descriptors: error {Marshal.GetLastPInvokeError()}.");
        }
    }

    [DllImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int GetLimit(int resource, [Out] nuint[] limits);

    [DllImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetLimit(int resource, nuint[] limits);
}
