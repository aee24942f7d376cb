using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Portmap.Tests.NoLocks;

/// <summary>One use of a member or type: in the code of a method, or as the type of a field
/// (<paramref name="Member"/> is then empty).</summary>
/// <param name="By">The outermost type that uses it, with its namespace.</param>
/// <param name="Where">The method or field.</param>
/// <param name="Type">The full name of the type that is used, without the number of its type
/// parameters.</param>
/// <param name="Member">The member.</param>
internal readonly record struct MemberUse(string By, string Where, string Type, string Member);

/// <summary>Walks all code of an assembly and lists every member and type it names.</summary>
internal sealed class MemberUses : IDisposable
{
    private static readonly Dictionary<short, OpCode> s_opCodes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value);

    private readonly PEReader _file;
    private readonly MetadataReader _metadata;
    private readonly TypeNames _names = new();

    private MemberUses(Assembly assembly)
    {
        _file = new PEReader(File.OpenRead(assembly.Location));
        _metadata = _file.GetMetadataReader();
    }

    public static List<MemberUse> Of(Assembly assembly)
    {
        using MemberUses walk = new(assembly);
        return [.. walk._metadata.TypeDefinitions.SelectMany(walk.OfType)];
    }

    public void Dispose() => _file.Dispose();

    private IEnumerable<MemberUse> OfType(TypeDefinitionHandle handle)
    {
        TypeDefinition type = _metadata.GetTypeDefinition(handle);
        string by = Outermost(type), name = _metadata.GetString(type.Name);
        bool isStateMachine = type.GetInterfaceImplementations()
            .Any(one => NameOf(_metadata.GetInterfaceImplementation(one).Interface) == "System.Runtime.CompilerServices.IAsyncStateMachine");
        foreach (FieldDefinition field in type.GetFields().Select(_metadata.GetFieldDefinition))
        {
            foreach (string used in field.DecodeSignature(_names, null).Split(' '))
            {
                yield return new MemberUse(by, $"{name}.{_metadata.GetString(field.Name)}", used, string.Empty);
            }
        }

        foreach (MethodDefinition method in type.GetMethods().Select(_metadata.GetMethodDefinition))
        {
            string where = $"{name}.{_metadata.GetString(method.Name)}";
            if ((method.ImplAttributes & MethodImplAttributes.Synchronized) != 0)
            {
                yield return new MemberUse(by, where, BlockingMember.Synchronized, string.Empty);
            }

            foreach ((string used, string member) in method.RelativeVirtualAddress == 0 ? [] : OfBody(_file.GetMethodBody(method.RelativeVirtualAddress)))
            {
                // In the code of an await the task is over when its result is fetched.
                if (!(isStateMachine && member == "GetResult"))
                {
                    yield return new MemberUse(by, where, used, member);
                }
            }
        }
    }

    private List<(string Type, string Member)> OfBody(MethodBodyBlock body)
    {
        List<(string, string)> uses = [];
        BlobReader code = body.GetILReader();
        while (code.RemainingBytes > 0)
        {
            int first = code.ReadByte();
            OpCode opCode = s_opCodes[unchecked((short)(first == 0xFE ? 0xFE00 | code.ReadByte() : first))];
            switch (opCode.OperandType)
            {
                case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType:
                    uses.Add(Resolve(MetadataTokens.EntityHandle(code.ReadInt32())));
                    break;
                case OperandType.InlineSwitch:
                    int targets = code.ReadInt32();
                    code.Offset += 4 * targets;
                    break;
                default:
                    code.Offset += SizeOf(opCode.OperandType);
                    break;
            }
        }

        return uses;
    }

    private static int SizeOf(OperandType operand) => operand switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        _ => 4,
    };

    private (string Type, string Member) Resolve(EntityHandle handle)
    {
        switch (handle.Kind)
        {
            case HandleKind.MethodSpecification:
                return Resolve(_metadata.GetMethodSpecification((MethodSpecificationHandle)handle).Method);
            case HandleKind.MemberReference:
                MemberReference member = _metadata.GetMemberReference((MemberReferenceHandle)handle);
                return (NameOf(member.Parent), _metadata.GetString(member.Name));
            case HandleKind.MethodDefinition:
                MethodDefinition method = _metadata.GetMethodDefinition((MethodDefinitionHandle)handle);
                return (NameOf(method.GetDeclaringType()), _metadata.GetString(method.Name));
            case HandleKind.FieldDefinition:
                FieldDefinition field = _metadata.GetFieldDefinition((FieldDefinitionHandle)handle);
                return (NameOf(field.GetDeclaringType()), _metadata.GetString(field.Name));
            default:
                return (NameOf(handle), string.Empty);
        }
    }

    /// <summary>The name of a type without what it is made of: List of Lock is named as List here;
    /// the calls on its elements name the rest.</summary>
    private string NameOf(EntityHandle type) => type.Kind switch
    {
        HandleKind.TypeReference => _names.GetTypeFromReference(_metadata, (TypeReferenceHandle)type, 0),
        HandleKind.TypeDefinition => _names.GetTypeFromDefinition(_metadata, (TypeDefinitionHandle)type, 0),
        HandleKind.TypeSpecification => _metadata.GetTypeSpecification((TypeSpecificationHandle)type).DecodeSignature(_names, null).Split(' ')[0],
        _ => string.Empty,
    };

    private string Outermost(TypeDefinition type)
    {
        while (!type.GetDeclaringType().IsNil)
        {
            type = _metadata.GetTypeDefinition(type.GetDeclaringType());
        }

        return $"{_metadata.GetString(type.Namespace)}.{_metadata.GetString(type.Name)}";
    }

    /// <summary>A type as the names in it, separated by blanks, the outermost first.</summary>
    private sealed class TypeNames : ISignatureTypeProvider<string, object?>
    {
        public string GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind)
        {
            TypeReference type = reader.GetTypeReference(handle);
            return type.ResolutionScope.Kind == HandleKind.TypeReference
                ? GetTypeFromReference(reader, (TypeReferenceHandle)type.ResolutionScope, 0)
                : Name(reader.GetString(type.Namespace), reader.GetString(type.Name));
        }

        public string GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
        {
            TypeDefinition type = reader.GetTypeDefinition(handle);
            return Name(reader.GetString(type.Namespace), reader.GetString(type.Name));
        }

        public string GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
            reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);

        public string GetGenericInstantiation(string genericType, ImmutableArray<string> typeArguments) => $"{genericType} {string.Join(' ', typeArguments)}";

        public string GetArrayType(string elementType, ArrayShape shape) => elementType;

        public string GetSZArrayType(string elementType) => elementType;

        public string GetByReferenceType(string elementType) => elementType;

        public string GetPointerType(string elementType) => elementType;

        public string GetPinnedType(string elementType) => elementType;

        public string GetModifiedType(string modifier, string unmodifiedType, bool isRequired) => unmodifiedType;

        public string GetPrimitiveType(PrimitiveTypeCode typeCode) => typeCode.ToString();

        public string GetFunctionPointerType(MethodSignature<string> signature) => "function";

        public string GetGenericMethodParameter(object? genericContext, int index) => "parameter";

        public string GetGenericTypeParameter(object? genericContext, int index) => "parameter";

        private static string Name(string space, string name) => $"{space}.{name.Split('`')[0]}";
    }
}
