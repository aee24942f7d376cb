using System.Runtime.Versioning;
using Portmap.Native;
using Portmap.TestKit.Processes;

namespace Portmap.Tests.Processes;

/// <summary>What cannot be read of a descriptor is told from what is not there.</summary>
[SupportedOSPlatform("linux")]
public sealed class DescriptorLinksTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_ALinkMayNotBeRead_ThrowsAndOneThatWasClosedDoesNot(bool mayBeRead)
    {
        // Linux before 5.14 lists the descriptors of a process whose links it does not let be read.
        using TempFolder process = new();
        Directory.CreateDirectory(process["fdinfo"]);
        DirectoryInfo links = Directory.CreateDirectory(process["fd"]);
        File.WriteAllText(process["fdinfo/3"], "");
        File.WriteAllText(process["fdinfo/4"], "");
        File.CreateSymbolicLink(process["fd/3"], "socket:[12345]");
        links.UnixFileMode = mayBeRead ? UnixFileMode.UserRead | UnixFileMode.UserExecute : UnixFileMode.UserRead;

        object seen = Deprived.RunByModes<object>(() =>
        {
            try
            {
                return DescriptorLinks.Of(process.FullName).ToArray();
            }
            catch (UnauthorizedAccessException)
            {
                return "refused";
            }
        });

        links.UnixFileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        if (mayBeRead)
        {
            seen.Should().BeAssignableTo<string?[]>().Which.Should().BeEquivalentTo("socket:[12345]", null);
        }
        else
        {
            seen.Should().Be("refused", "what cannot be seen convicts nobody");
        }
    }
}
