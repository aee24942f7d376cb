extern alias shipped;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>The two builds of the same sources: this one stops at every step, the shipped one has
/// no step at all.</summary>
public class HookTests
{
    [Fact]
    public void ShippedAssembly_HasNoStep() => CallsOfHook(typeof(shipped::Portmap.PortRegistry).Assembly).Should().Be(0);

    [Fact]
    public void HookedAssembly_HasTheSteps() =>
        CallsOfHook(typeof(PortRegistry).Assembly).Should().BeGreaterThan(Enum.GetValues<Step>().Length / 2, "otherwise the test above could not fail");

    /// <summary>How often the token of the hook stands in the code of an assembly.</summary>
    private static int CallsOfHook(Assembly assembly)
    {
        using PEReader file = new(File.OpenRead(assembly.Location));
        MetadataReader metadata = file.GetMetadataReader();
        TypeDefinition hook = metadata.TypeDefinitions.Select(metadata.GetTypeDefinition).Single(type => metadata.GetString(type.Name) == nameof(Hook));
        byte[] token = BitConverter.GetBytes(MetadataTokens.GetToken(hook.GetMethods().Single(method => metadata.GetString(metadata.GetMethodDefinition(method).Name) == nameof(Hook.At))));
        int calls = 0;
        foreach (MethodDefinition method in metadata.MethodDefinitions.Select(metadata.GetMethodDefinition).Where(method => method.RelativeVirtualAddress != 0))
        {
            ReadOnlySpan<byte> code = file.GetMethodBody(method.RelativeVirtualAddress).GetILBytes();
            for (int at = code.IndexOf(token); at >= 0; at = code.IndexOf(token))
            {
                calls++;
                code = code[(at + token.Length)..];
            }
        }

        return calls;
    }
}
